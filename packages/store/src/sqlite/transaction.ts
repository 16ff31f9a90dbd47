/**
 * One transaction inside a batch. Everything that can be refused is refused before the first write,
 * so that no savepoint is needed: a refused transaction has changed nothing.
 */
import { limits } from "@hearthmesh/core";
import { compareHolds } from "../compare.js";
import { boundsOf } from "../keys.js";
import type {
  Compare,
  KeyRange,
  KeyValue,
  Operation,
  OperationResult,
  Transaction,
  TransactionResult,
} from "../types.js";
import { guardError, leaseEndedError, refuseFullLease, refuseLargeDeletion } from "../validate.js";
import { firstChangeOf } from "./rows.js";
import type { LiveHead, Tables } from "./tables.js";
import type { WriteBatch } from "./write-batch.js";

const NO_BYTES = new Uint8Array(0);
const NO_KEY = { createRevision: 0, version: 0, leaseId: 0 };

/** Writes one revision; nothing at all when nothing is changed. */
class RevisionWriter {
  readonly #tables: Tables;
  readonly #batch: WriteBatch;
  readonly #revision: number;
  readonly #heads = new Map<string, LiveHead | undefined>();
  readonly #keys: string[] = [];

  constructor(tables: Tables, batch: WriteBatch) {
    this.#tables = tables;
    this.#batch = batch;
    this.#revision = batch.state.revision + 1;
  }

  /** The key as this transaction sees it. */
  head(key: string): LiveHead | undefined {
    if (this.#heads.has(key)) return this.#heads.get(key);
    const head = this.#tables.head(key);
    this.#heads.set(key, head);
    return head;
  }

  put(key: string, value: Uint8Array, leaseId: number): void {
    const previous = this.head(key);
    const next = {
      key,
      createRevision: previous?.createRevision ?? this.#revision,
      modRevision: this.#revision,
      version: (previous?.version ?? 0) + 1,
      leaseId,
    };
    const id = this.#append(previous, next, value);
    if (previous === undefined) this.#tables.insertLive(key, id);
    else this.#tables.updateLive(key, id);
    this.#moveLease(key, previous?.leaseId ?? 0, leaseId);
    this.#heads.set(key, { ...next, id });
    this.#countKeys(previous === undefined ? 1 : 0);
  }

  /** The number of keys deleted: 1, or 0 when there is none. */
  delete(key: string): number {
    const previous = this.head(key);
    if (previous === undefined) return 0;
    this.#append(previous, { key, ...NO_KEY }, NO_BYTES);
    this.#tables.deleteLive(key);
    this.#moveLease(key, previous.leaseId, 0);
    this.#heads.set(key, undefined);
    this.#countKeys(-1);
    return 1;
  }

  /** Makes the revision known to the batch, when there is one. */
  finish(): void {
    if (this.#keys.length === 0) return;
    this.#batch.state.revision = this.#revision;
    this.#batch.changes.push({ revision: this.#revision, keys: this.#keys });
  }

  #append(
    previous: LiveHead | undefined,
    next: { key: string; createRevision: number; version: number; leaseId: number },
    value: Uint8Array,
  ): number {
    const id = firstChangeOf(this.#revision) + this.#keys.length;
    this.#batch.writes++;
    this.#tables.insertChange(id, previous?.id ?? 0, next, value);
    this.#keys.push(next.key);
    this.#batch.state.historyBytes += Buffer.byteLength(next.key, "utf8") + value.length;
    return id;
  }

  #moveLease(key: string, from: number, to: number): void {
    if (from === to) return;
    if (from !== 0) this.#tables.detachKey(from, key);
    if (to !== 0) this.#tables.attachKey(to, key);
  }

  #countKeys(difference: number): void {
    const { state } = this.#batch;
    if (state.keys !== undefined) state.keys += difference;
  }
}

export interface TransactionContext {
  readonly tables: Tables;
  readonly batch: WriteBatch;
  /** Throws `MESH_STORE_LEASE_UNKNOWN` for a lease whose time has passed. */
  readonly mustBeAlive: (leaseId: number) => void;
}

export function runTransaction(
  context: TransactionContext,
  transaction: Transaction,
): TransactionResult {
  const writer = new RevisionWriter(context.tables, context.batch);
  const { guard } = transaction;
  if (guard !== undefined && !holds(context.tables, writer, guard)) throw guardError(guard);
  const succeeded = (transaction.compare ?? []).every((compare) =>
    holds(context.tables, writer, compare),
  );
  const branch = succeeded ? transaction.success : (transaction.failure ?? []);
  checkBranch(context, writer, branch);
  const results = branch.map((operation) => apply(context.tables, writer, operation));
  writer.finish();
  return { succeeded, revision: context.batch.state.revision, results };
}

/** Deletes the keys of a lease and the lease; nothing when it has ended already. */
export function endLease(tables: Tables, batch: WriteBatch, leaseId: number): void {
  if (!tables.hasLease(leaseId)) return;
  const writer = new RevisionWriter(tables, batch);
  for (const key of tables.keysOfLease(leaseId)) writer.delete(key);
  writer.finish();
  batch.writes++;
  tables.deleteLease(leaseId);
  batch.endedLeases.add(leaseId);
  batch.state.openLeases--;
}

function holds(tables: Tables, writer: RevisionWriter, compare: Compare): boolean {
  return compareHolds(compare, comparedEntry(tables, writer, compare));
}

/** The value is read only when it is compared. */
function comparedEntry(
  tables: Tables,
  writer: RevisionWriter,
  compare: Compare,
): KeyValue | undefined {
  if (compare.target === "value") return tables.entry(compare.key);
  const head = writer.head(compare.key);
  return head === undefined ? undefined : { ...head, value: NO_BYTES };
}

function checkBranch(
  { tables, batch, mustBeAlive }: TransactionContext,
  writer: RevisionWriter,
  branch: readonly Operation[],
): void {
  let deleted = 0;
  const newKeys = new Map<number, number>();
  for (const operation of branch) {
    if (operation.type === "deleteRange") {
      deleted += tables.liveKeys(boundsOf(operation.range), DELETION_PROBE).length;
      refuseLargeDeletion(deleted);
    } else if (operation.type === "put" && (operation.leaseId ?? 0) !== 0) {
      const leaseId = operation.leaseId ?? 0;
      mustBeAlive(leaseId);
      if (batch.endedLeases.has(leaseId)) throw leaseEndedError(leaseId);
      if (writer.head(operation.key)?.leaseId === leaseId) continue;
      newKeys.set(leaseId, (newKeys.get(leaseId) ?? 0) + 1);
    }
  }
  for (const [leaseId, count] of newKeys) {
    refuseFullLease(leaseId, tables.keysOfLease(leaseId).length + count);
  }
}

/** One more than is allowed, to see that it is too many. */
const DELETION_PROBE = limits.STORE_RANGE_ENTRIES_MAX + 1;

function apply(tables: Tables, writer: RevisionWriter, operation: Operation): OperationResult {
  switch (operation.type) {
    case "get":
      return { type: "get", entry: tables.entry(operation.key) };
    case "put":
      writer.put(operation.key, operation.value, operation.leaseId ?? 0);
      return { type: "put" };
    case "delete":
      return { type: "delete", deleted: writer.delete(operation.key) };
    case "deleteRange":
      return { type: "delete", deleted: deleteRange(tables, writer, operation.range) };
  }
}

function deleteRange(tables: Tables, writer: RevisionWriter, range: KeyRange): number {
  const keys = tables.liveKeys(boundsOf(range), DELETION_PROBE);
  return keys.reduce((count, key) => count + writer.delete(key), 0);
}
