/** What users' operations on keys and locks take and give. */
import type { Compare, Operation } from "@hearthmesh/store";

/** One key of a user; revisions are those of the store. */
export interface KeyEntry {
  readonly key: string;
  readonly value: Uint8Array;
  readonly createRevision: number;
  readonly modRevision: number;
  readonly version: number;
  /** 0 without a lease. */
  readonly leaseId: number;
}

export interface KeyRead {
  readonly entry: KeyEntry;
  /** The store's revision at which it was read. */
  readonly revision: number;
}

/** What a late holder of a lock fails on: the lock, and the token that it was given. */
export interface Fence {
  readonly lock: string;
  readonly token: number;
}

export interface PutOptions {
  /** Only when the key was last written by this revision; `*`: only when it is there. */
  readonly ifMatch?: number | "*";
  /** Only when the key is not there. */
  readonly ifNoneMatch?: "*";
  /** A lease of its own, with this time; not together with `leaseId`. */
  readonly ttlMs?: number;
  /** A lease of the caller. */
  readonly leaseId?: number;
  readonly fence?: Fence;
}

export interface KeyWritten {
  readonly key: string;
  /** Of the write; also the key's `modRevision`. */
  readonly revision: number;
  readonly createRevision: number;
  readonly version: number;
  readonly leaseId: number;
}

export interface KeysDeleted {
  readonly deleted: number;
  readonly revision: number;
}

export interface KeyListOptions {
  /** Key after which to go on. */
  readonly after?: string;
  /** At most and by default `limits.LIST_PAGE_ENTRIES_MAX`. */
  readonly limit?: number;
  /** Values come back empty. */
  readonly keysOnly?: boolean;
  readonly revision?: number;
}

export interface KeyPage {
  readonly entries: readonly KeyEntry[];
  readonly more: boolean;
  readonly revision: number;
}

/** As in the store, over keys of users. */
export type KeyCompare = Compare;

export type KeyOperation =
  | Exclude<Operation, { type: "deleteRange" }>
  | { type: "deletePrefix"; prefix: string };

export type KeyOperationResult =
  | { type: "put" }
  | { type: "delete"; deleted: number }
  | { type: "get"; entry: KeyEntry | undefined };

export interface KeyTransaction {
  readonly compare?: readonly KeyCompare[];
  readonly success: readonly KeyOperation[];
  readonly failure?: readonly KeyOperation[];
  readonly fence?: Fence;
}

export interface KeyTransactionResult {
  readonly succeeded: boolean;
  readonly revision: number;
  readonly results: readonly KeyOperationResult[];
}

/** One key, or all that begin with a text. */
export type WatchTarget = { readonly key: string } | { readonly prefix: string };

export interface WatchOptions {
  /** First revision of interest; the next one by default. */
  readonly fromRevision?: number;
  readonly signal?: AbortSignal;
}

export type KeyEvent = { type: "put"; entry: KeyEntry } | { type: "delete"; key: string };

/** What one transaction changed of what the caller may read, never split. */
export interface KeyChange {
  readonly revision: number;
  readonly events: readonly KeyEvent[];
}

export interface KeyWatch {
  /** Changes after this revision follow. */
  readonly revision: number;
  /**
   * Ends quietly with the signal or `close`. Throws `MESH_STORE_COMPACTED` when history that was
   * not read yet is gone, and `MESH_CERT_REVOKED` and the like when the caller may watch no more.
   */
  readonly changes: AsyncIterable<KeyChange>;
  /** Throws when the caller is not who it was; for a stream on which nothing moves. */
  check(): void;
  /** Gives its place back. Must be called. */
  close(): void;
}

export interface WaitOptions {
  /** Revision after which a change counts. */
  readonly after: number;
  /** At most `KV_WAIT_MS_MAX`. */
  readonly waitMs: number;
  readonly signal?: AbortSignal;
}

export interface LeaseInfo {
  readonly leaseId: number;
  readonly ttlMs: number;
  readonly createdAtMs: number;
  /** SPIFFE id. */
  readonly owner: string;
  /** Asked for; made by a put with `ttlMs`; or of a lock. */
  readonly purpose: LeasePurpose;
}
export type LeasePurpose = "lease" | "key" | "lock";

export interface AcquireOptions {
  readonly ttlMs: number;
  /** 0 or nothing: do not wait. */
  readonly waitMs?: number;
  /** Who it is, for people. */
  readonly holder?: string;
  /** Aborted: leaves the queue. */
  readonly signal?: AbortSignal;
}

export interface LockHold {
  readonly name: string;
  /** Fencing token: grows with every new holder. */
  readonly token: number;
  readonly ttlMs: number;
  /** SPIFFE id of who asked. */
  readonly principal: string;
  readonly holder: string;
  /** By the clock of the coordinator that gave it. */
  readonly sinceMs: number;
}

export interface LockInfo {
  readonly name: string;
  readonly held: LockHold | undefined;
  readonly waiting: number;
}

export interface LockPage {
  readonly locks: readonly LockInfo[];
  readonly more: boolean;
}
