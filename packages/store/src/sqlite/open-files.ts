/**
 * The files of a store: `store.db`, its `-wal` while it is open, and `store.pid`, which tells who
 * has it and which file that is. The lock is SQLite's own EXCLUSIVE locking mode, which a crash
 * releases.
 *
 * People copy a running store (`tar`) and put the copy in its place, running or not. The number of
 * the file (inode) tells: whoever had the old file leaves the new one and its log alone at its end,
 * and a copy of a running store is checked in full when it is opened first.
 */
import {
  chmodSync,
  closeSync,
  existsSync,
  fsyncSync,
  mkdirSync,
  openSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { dirname, join } from "node:path";
import { type ErrorCode, isMeshError, limits, MeshError } from "@hearthmesh/core";
import { openDatabase, type SqlDatabase } from "./driver.js";
import { checkSchema, createSchema } from "./schema.js";

/** Pages of the log that make a commit move it into the file: 16 MiB. */
const CHECKPOINT_PAGES = 4096;
/** The log is cut to this size after it was moved. */
const LOG_BYTES_KEPT = 32 << 20;
const SYNCHRONOUS_FULL = 2;

export interface OpenFilesOptions {
  readonly directory: string;
  readonly databaseBytesMax: number;
}

export interface StoreFiles {
  readonly database: SqlDatabase;
  /** Bytes of the log that a run left behind which did not end in order; 0 after a good end. */
  readonly recoveredBytes: number;
  /** It is a copy that was made while a store ran, and it was found to be whole. */
  readonly isLiveCopy: boolean;
  sizeBytes(): number;
  close(): void;
}

export function openFiles({ directory, databaseBytesMax }: OpenFilesOptions): StoreFiles {
  const path = join(directory, "store.db");
  const pidPath = join(directory, "store.pid");
  withDiskErrors(() => prepareDirectory(directory, path));
  // Looked at before the lock: taking it reads the log back.
  const logBytes = fileBytes(`${path}-wal`);
  const inode = inodeOf(path);
  const { inode: former } = readHolder(pidPath);
  const isLiveCopy = former !== undefined && former !== inode;
  const database = openDatabase(path);
  try {
    lock(database, pidPath);
    if (checkSchema(database) === "empty") createSchema(database);
    configure(database, databaseBytesMax);
    if (isLiveCopy) checkCopy(database);
    writeHolder(pidPath, inode);
  } catch (error) {
    closeQuietly(database);
    throw error;
  }
  return {
    database,
    recoveredBytes: logBytes,
    isLiveCopy,
    sizeBytes: () => fileBytes(path) + fileBytes(`${path}-wal`),
    close: () => {
      if (inodeOf(path) !== inode) {
        // Closing would move our log, which is gone with our file, and remove the other file's.
        throw new MeshError("MESH_DISK_FAILED", {
          message: "the store's file was replaced while it was in use; the new one is left alone",
        });
      }
      rmSync(pidPath, { force: true });
      database.close();
    },
  };
}

/** Only this user may read it; the new names are made durable. */
function prepareDirectory(directory: string, path: string): void {
  mkdirSync(directory, { recursive: true, mode: 0o700 });
  chmodSync(directory, 0o700);
  if (existsSync(path)) {
    chmodSync(path, 0o600);
    return;
  }
  closeSync(openSync(path, "wx", 0o600));
  for (const parent of [directory, dirname(directory)]) {
    const handle = openSync(parent, "r");
    fsyncSync(handle);
    closeSync(handle);
  }
}

/** EXCLUSIVE before the log is first touched: then SQLite needs no shared memory file either. */
function lock(database: SqlDatabase, pidPath: string): void {
  try {
    database.pragma("locking_mode = EXCLUSIVE");
    checkSchema(database);
    const mode = database.pragma("journal_mode = WAL");
    if (mode !== "wal") {
      throw new MeshError("MESH_DISK_FAILED", {
        message: `the file system of the store has no write-ahead log (mode ${mode})`,
      });
    }
    database.exec("BEGIN IMMEDIATE; COMMIT");
  } catch (error) {
    if (!isMeshError(error, "MESH_HOME_IN_USE")) throw error;
    const { pid: holder } = readHolder(pidPath);
    const name = holder === undefined ? "another process" : `process ${holder}`;
    throw new MeshError("MESH_HOME_IN_USE", {
      message: `the store is used by ${name}`,
      cause: error,
      ...(holder === undefined ? {} : { details: { pid: holder } }),
    });
  }
}

/** A full disk must not keep the store from being read. */
function writeHolder(pidPath: string, inode: number | undefined): void {
  try {
    writeFileSync(pidPath, `${process.pid} ${inode ?? ""}\n`, { mode: 0o600 });
  } catch {
    // The next opener then says "another process".
  }
}

function readHolder(pidPath: string): { pid?: number; inode?: number } {
  try {
    const [pid, inode] = readFileSync(pidPath, "utf8").split(/\s/).map(Number);
    const isNumber = (value: number | undefined): value is number => Number.isSafeInteger(value);
    return {
      ...(isNumber(pid) ? { pid } : {}),
      ...(isNumber(inode) && inode > 0 ? { inode } : {}),
    };
  } catch {
    return {};
  }
}

/** Undefined for a file that is not there. */
function inodeOf(path: string): number | undefined {
  return statSync(path, { throwIfNoEntry: false })?.ino;
}

/** A copy of a running store is torn when its log was moved into its file meanwhile. */
function checkCopy(database: SqlDatabase): void {
  const found = database.pragma("quick_check");
  if (found === "ok") return;
  throw new MeshError("MESH_STORE_CORRUPT", {
    message: "this copy of the store is torn: it was written to while the copy was made",
    hint: "Use another backup, or one that `mesh store snapshot` has made.",
  });
}

/**
 * Some builds of SQLite sync a log only at checkpoints by default, so FULL is set and read back.
 */
function configure(database: SqlDatabase, databaseBytesMax: number): void {
  database.exec("PRAGMA synchronous = FULL");
  if (database.pragma("synchronous") !== SYNCHRONOUS_FULL) {
    throw new MeshError("MESH_INTERNAL", { message: "the database refuses synchronous = FULL" });
  }
  const pageBytes = Number(database.pragma("page_size"));
  database.exec(`
    PRAGMA cache_size = -${Math.floor(limits.STORE_CACHE_BYTES_MAX / 1024)};
    PRAGMA max_page_count = ${Math.floor(databaseBytesMax / pageBytes)};
    PRAGMA wal_autocheckpoint = ${CHECKPOINT_PAGES};
    PRAGMA journal_size_limit = ${LOG_BYTES_KEPT};
    PRAGMA temp_store = MEMORY;
    PRAGMA cell_size_check = ON;
    PRAGMA trusted_schema = OFF;
  `);
}

/** Also when another process has the file: a lock that this one got half-way must go. */
function closeQuietly(database: SqlDatabase): void {
  try {
    database.close();
  } catch {
    // The error that is thrown already says more.
  }
}

function fileBytes(path: string): number {
  return statSync(path, { throwIfNoEntry: false })?.size ?? 0;
}

function withDiskErrors(work: () => void): void {
  try {
    work();
  } catch (cause) {
    const systemCode = (cause as { code?: unknown }).code;
    const code: ErrorCode = systemCode === "ENOSPC" ? "MESH_DISK_FULL" : "MESH_DISK_FAILED";
    const reason = cause instanceof Error ? cause.message : String(cause);
    throw new MeshError(code, {
      message: `the store's directory cannot be used: ${reason}`,
      cause,
    });
  }
}
