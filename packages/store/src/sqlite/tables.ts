/** The prepared statements for single rows. Ranges and history have files of their own. */
import type { KeyBounds } from "../keys.js";
import type { KeyValue } from "../types.js";
import type { SqlDatabase, SqlStatement, SqlValue } from "./driver.js";
import {
  type ChangeHead,
  checksumOf,
  decodeEntry,
  entryColumns,
  headColumns,
  integer,
  lastChangeOf,
  revisionOf,
  text,
} from "./rows.js";
import type { StoreState } from "./write-batch.js";

/** A live key without its value. */
export interface LiveHead extends ChangeHead {
  readonly id: number;
  readonly modRevision: number;
}

export type MetaName = "compacted_revision" | "cleaned_id" | "last_lease_id";

/** The WHERE clause and parameters of a range over a column. */
export function whereInBounds(column: string, bounds: KeyBounds): string {
  return bounds.end === undefined ? `${column} >= ?` : `${column} >= ? AND ${column} < ?`;
}

export function boundParameters(bounds: KeyBounds): SqlValue[] {
  return bounds.end === undefined ? [bounds.start] : [bounds.start, bounds.end];
}

export class Tables {
  readonly #database: SqlDatabase;
  readonly #statements = new Map<string, SqlStatement>();
  readonly #head: SqlStatement;
  readonly #entry: SqlStatement;
  readonly #insertChange: SqlStatement;
  readonly #insertLive: SqlStatement;
  readonly #updateLive: SqlStatement;
  readonly #deleteLive: SqlStatement;

  constructor(database: SqlDatabase) {
    this.#database = database;
    const fromLive = "FROM live l CROSS JOIN change c ON c.id = l.id WHERE l.key = ?";
    this.#head = database.prepare(`SELECT ${headColumns("c")} ${fromLive}`);
    this.#entry = database.prepare(`SELECT ${entryColumns("c")} ${fromLive}`);
    this.#insertChange = database.prepare("INSERT INTO change VALUES (?, ?, ?, ?, ?, ?, ?, ?)");
    this.#insertLive = database.prepare("INSERT INTO live VALUES (?, ?)");
    this.#updateLive = database.prepare("UPDATE live SET id = ?2 WHERE key = ?1");
    this.#deleteLive = database.prepare("DELETE FROM live WHERE key = ?");
  }

  /** A statement that is made at its first use; the texts are few. */
  statement(sql: string): SqlStatement {
    let statement = this.#statements.get(sql);
    if (statement === undefined) {
      statement = this.#database.prepare(sql);
      this.#statements.set(sql, statement);
    }
    return statement;
  }

  head(key: string): LiveHead | undefined {
    const row = this.#head.get(key);
    return row === undefined ? undefined : { ...decodeEntry(row), id: integer(row[0]) };
  }

  entry(key: string): KeyValue | undefined {
    const row = this.#entry.get(key);
    return row === undefined ? undefined : decodeEntry(row);
  }

  entryAt(key: string, revision: number): KeyValue | undefined {
    const row = this.statement(
      `SELECT ${entryColumns("c")} FROM change c INDEXED BY change_by_key
       WHERE c.key = ? AND c.id <= ? ORDER BY c.id DESC LIMIT 1`,
    ).get(key, lastChangeOf(revision));
    const entry = row === undefined ? undefined : decodeEntry(row);
    return entry?.version === 0 ? undefined : entry;
  }

  liveKeys(bounds: KeyBounds, limit: number): string[] {
    const where = whereInBounds("key", bounds);
    const rows = this.statement(`SELECT key FROM live WHERE ${where} ORDER BY key LIMIT ?`).all(
      ...boundParameters(bounds),
      limit,
    );
    return rows.map((row) => text(row[0]));
  }

  countLive(): number {
    return integer(this.statement("SELECT count(*) FROM live").get()?.[0]);
  }

  insertChange(id: number, previousId: number, head: ChangeHead, value: Uint8Array): void {
    const { key, createRevision, version, leaseId } = head;
    const checksum = checksumOf(id, head, value);
    this.#insertChange.run(id, key, previousId, createRevision, version, leaseId, checksum, value);
  }

  insertLive(key: string, id: number): void {
    this.#insertLive.run(key, id);
  }

  updateLive(key: string, id: number): void {
    this.#updateLive.run(key, id);
  }

  deleteLive(key: string): void {
    this.#deleteLive.run(key);
  }

  insertLease(leaseId: number, ttlMs: number): void {
    this.statement("INSERT INTO lease VALUES (?, ?)").run(leaseId, ttlMs);
  }

  deleteLease(leaseId: number): void {
    this.statement("DELETE FROM lease WHERE id = ?").run(leaseId);
  }

  hasLease(leaseId: number): boolean {
    return this.statement("SELECT 1 FROM lease WHERE id = ?").get(leaseId) !== undefined;
  }

  leases(): { leaseId: number; ttlMs: number }[] {
    return this.statement("SELECT id, ttl_ms FROM lease ORDER BY id")
      .all()
      .map((row) => ({ leaseId: integer(row[0]), ttlMs: integer(row[1]) }));
  }

  attachKey(leaseId: number, key: string): void {
    this.statement("INSERT INTO lease_key VALUES (?, ?)").run(leaseId, key);
  }

  detachKey(leaseId: number, key: string): void {
    this.statement("DELETE FROM lease_key WHERE lease_id = ? AND key = ?").run(leaseId, key);
  }

  keysOfLease(leaseId: number): string[] {
    return this.statement("SELECT key FROM lease_key WHERE lease_id = ? ORDER BY key")
      .all(leaseId)
      .map((row) => text(row[0]));
  }

  setMeta(name: MetaName, value: number): void {
    this.statement("UPDATE meta SET value = ?2 WHERE name = ?1").run(name, value);
  }

  /** The numbers as the last commit left them. */
  loadState(): StoreState {
    const meta = (name: MetaName) =>
      integer(this.statement("SELECT value FROM meta WHERE name = ?").get(name)?.[0]);
    const compactedRevision = meta("compacted_revision");
    const cleanedId = meta("cleaned_id");
    const lastId = this.statement("SELECT coalesce(max(id), 0) FROM change").get()?.[0];
    const bytes = this.statement(
      "SELECT coalesce(sum(octet_length(key) + length(value)), 0) FROM change WHERE id > ?",
    ).get(cleanedId)?.[0];
    return {
      // An empty store has revision 1, as in etcd.
      revision: Math.max(1, compactedRevision, revisionOf(integer(lastId))),
      compactedRevision,
      cleanedId,
      historyBytes: integer(bytes),
      lastLeaseId: meta("last_lease_id"),
      openLeases: integer(this.statement("SELECT count(*) FROM lease").get()?.[0]),
      keys: undefined,
    };
  }
}
