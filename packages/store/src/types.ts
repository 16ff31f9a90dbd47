/**
 * The store's interface. It has the meaning of etcd's v3 API: one global revision, keys ordered by
 * their UTF-8 bytes, compare-then-else transactions, leases, watches that start at a revision, and
 * compaction. Three engines implement it: `memory` (the model), `sqlite` and `etcd`. All pass the
 * suite in `testing/`.
 *
 * Guarantee: a write that was answered is on disk (`sqlite`: fsynced), and every later read sees
 * it.
 *
 * Keys are not empty, are well-formed Unicode without NUL, and have up to `STORE_KEY_BYTES_MAX`
 * bytes of UTF-8, else `MESH_STORE_KEY_INVALID`. An empty store has revision 1. After `close()`
 * every call fails with `MESH_STORE_CLOSED`. `docs/store.md` has the whole meaning.
 */
export interface KeyValue {
  readonly key: string;
  readonly value: Uint8Array;
  /** Revision that made the key (again, after a deletion). */
  readonly createRevision: number;
  /** Revision that last wrote it. */
  readonly modRevision: number;
  /** 1 for a key just made, then one more for each write. */
  readonly version: number;
  /** The lease it lives with, or 0. */
  readonly leaseId: number;
}

/** All keys with a prefix, or `start <= key < end`. */
export type KeyRange = { prefix: string } | { start: string; end: string };

export interface RangeOptions {
  /** At most `STORE_RANGE_ENTRIES_MAX`, which is also the default. */
  limit?: number;
  /** Descending order. */
  reverse?: boolean;
  /** Values come back empty. */
  keysOnly?: boolean;
  /** As it was at that revision; `MESH_STORE_COMPACTED` when that is no longer kept. */
  revision?: number;
}

export interface RangeResult {
  readonly entries: readonly KeyValue[];
  /** There are more keys in the range than `limit`, or than `STORE_RANGE_BYTES_MAX` bytes hold. */
  readonly more: boolean;
  /** The store's revision at which the range was read. */
  readonly revision: number;
}

/** A missing key has modRevision, createRevision and version 0, and a value that equals nothing. */
export type Compare =
  | {
      key: string;
      target: "modRevision" | "createRevision" | "version";
      is: "=" | ">" | "<" | "!=";
      value: number;
    }
  | { key: string; target: "value"; is: "=" | "!="; value: Uint8Array };

export type Operation =
  | { type: "put"; key: string; value: Uint8Array; leaseId?: number }
  | { type: "delete"; key: string }
  | { type: "deleteRange"; range: KeyRange }
  | { type: "get"; key: string };

export type OperationResult =
  | { type: "put" }
  | { type: "delete"; deleted: number }
  | { type: "get"; entry: KeyValue | undefined };

export interface Transaction {
  /**
   * What must hold for the caller to be allowed to write at all, such as "I still lead". When it
   * does not, neither branch runs, nothing is changed and the call fails with `MESH_EPOCH_OLD`.
   * Looked at together with the compares; not counted among them.
   */
  guard?: Compare;
  /** All must hold; an empty list holds. */
  compare?: readonly Compare[];
  success: readonly Operation[];
  failure?: readonly Operation[];
}

export interface TransactionResult {
  readonly succeeded: boolean;
  /** Revision after the transaction; unchanged when it wrote nothing. */
  readonly revision: number;
  readonly results: readonly OperationResult[];
}

export type StoreEvent =
  | { type: "put"; entry: KeyValue; previous: KeyValue | undefined }
  | { type: "delete"; key: string; modRevision: number; previous: KeyValue | undefined };

/** Everything that one transaction changed in the watched range, never split. */
export interface WatchBatch {
  readonly revision: number;
  readonly events: readonly StoreEvent[];
}

export interface Lease {
  readonly id: number;
  readonly ttlMs: number;
  /** Starts the time anew. `MESH_STORE_LEASE_UNKNOWN` when it has ended. */
  keepAlive(): Promise<void>;
  /** Deletes its keys in one transaction. Does nothing when the lease has ended already. */
  revoke(): Promise<void>;
}

export interface StoreStatus {
  engine: "memory" | "sqlite" | "etcd";
  revision: number;
  compactedRevision: number;
  keys: number;
  sizeBytes: number;
}

export interface Store {
  get(key: string, options?: { revision?: number }): Promise<KeyValue | undefined>;
  range(range: KeyRange, options?: RangeOptions): Promise<RangeResult>;
  /**
   * At most `STORE_TXN_OPERATIONS_MAX` compares and operations of each branch, which run in order
   * and see each other; a key is written once. Values must stay as they are until the answer is
   * there. `MESH_STORE_BUSY` when too many writes wait.
   */
  transact(transaction: Transaction): Promise<TransactionResult>;
  grantLease(ttlMs: number): Promise<Lease>;
  /** A lease that is open, whoever granted it, with its time to live; nothing when it has ended. */
  findLease(leaseId: number): Promise<Lease | undefined>;
  /**
   * Batches from `fromRevision` (default: the next one) in order, without gaps, until the signal
   * aborts. Throws `MESH_STORE_COMPACTED` when the start is compacted or the reader lags too far.
   */
  watch(
    range: KeyRange,
    options?: { fromRevision?: number; signal?: AbortSignal },
  ): AsyncIterable<WatchBatch>;
  compact(revision: number): Promise<void>;
  status(): Promise<StoreStatus>;
  close(): Promise<void>;
}
