/**
 * The only file that knows `libsql`. It gives a small synchronous interface and turns every error
 * of the database into a `MeshError`.
 *
 * Two facts of libsql 0.5 shape it. Numbers are bound as REAL, so columns that hold integers must
 * have INTEGER affinity. And a connection lives until its prepared statements are collected, also
 * after `close()`, so `close` gives the file's locks back by itself.
 *
 * Nothing else in this process may open and close the database file while it is in use: closing any
 * descriptor of it drops this process's POSIX locks on it.
 */
import { type ErrorCode, MeshError } from "@hearthmesh/core";
import Database from "libsql";

export type SqlValue = null | number | string | Uint8Array;
export type SqlRow = readonly SqlValue[];

export interface SqlStatement {
  get(...parameters: readonly SqlValue[]): SqlRow | undefined;
  all(...parameters: readonly SqlValue[]): readonly SqlRow[];
  run(...parameters: readonly SqlValue[]): void;
}

export interface SqlDatabase {
  exec(sql: string): void;
  prepare(sql: string): SqlStatement;
  /** The first column of the first row that a PRAGMA answers. */
  pragma(source: string): SqlValue | undefined;
  readonly inTransaction: boolean;
  /**
   * Moves the write-ahead log into the file and releases its locks. When that fails, as on a full
   * disk, the log stays for the next opening and the locks until the process ends.
   */
  close(): void;
}

/** SQLite's primary result codes (https://www.sqlite.org/rescode.html). */
const ERROR_CODES: ReadonlyMap<number, ErrorCode> = new Map([
  [5, "MESH_HOME_IN_USE"], // BUSY
  [6, "MESH_HOME_IN_USE"], // LOCKED
  [8, "MESH_DISK_FAILED"], // READONLY
  [10, "MESH_DISK_FAILED"], // IOERR
  [11, "MESH_STORE_CORRUPT"], // CORRUPT
  [13, "MESH_DISK_FULL"], // FULL
  [14, "MESH_DISK_FAILED"], // CANTOPEN
  [26, "MESH_STORE_CORRUPT"], // NOTADB
]);

function toMeshError(error: unknown): MeshError {
  const rawCode = (error as { rawCode?: unknown }).rawCode;
  const known = typeof rawCode === "number" ? ERROR_CODES.get(rawCode & 0xff) : undefined;
  return new MeshError(known ?? "MESH_INTERNAL", { cause: error });
}

function guarded<T>(work: () => T): T {
  try {
    return work();
  } catch (error) {
    throw toMeshError(error);
  }
}

class LibsqlStatement implements SqlStatement {
  readonly #statement: Database.Statement;
  readonly #returnsRows: boolean;

  constructor(database: Database.Database, sql: string) {
    this.#statement = guarded(() => database.prepare(sql));
    this.#returnsRows = this.#statement.reader;
    if (this.#returnsRows) this.#statement.raw(true);
  }

  get(...parameters: readonly SqlValue[]): SqlRow | undefined {
    return guarded(() => this.#statement.get(parameters) as SqlRow | undefined);
  }

  all(...parameters: readonly SqlValue[]): readonly SqlRow[] {
    return guarded(() => this.#statement.all(parameters) as SqlRow[]);
  }

  run(...parameters: readonly SqlValue[]): void {
    guarded(() => this.#statement.run(parameters));
  }
}

class LibsqlDatabase implements SqlDatabase {
  readonly #database: Database.Database;

  constructor(path: string) {
    this.#database = guarded(() => new Database(path));
  }

  exec(sql: string): void {
    guarded(() => this.#database.exec(sql));
  }

  prepare(sql: string): SqlStatement {
    return new LibsqlStatement(this.#database, sql);
  }

  pragma(source: string): SqlValue | undefined {
    return this.prepare(`PRAGMA ${source}`).get()?.[0];
  }

  get inTransaction(): boolean {
    return this.#database.inTransaction;
  }

  close(): void {
    try {
      const mode = this.pragma("journal_mode = DELETE");
      // The lock goes with the next read after this; with a log left it would need one more file.
      if (mode === "delete") this.pragma("locking_mode = NORMAL");
      this.pragma("user_version");
    } finally {
      guarded(() => this.#database.close());
    }
  }
}

export function openDatabase(path: string): SqlDatabase {
  return new LibsqlDatabase(path);
}
