/** Keys, values and what is done with them, as a program sees them. */
import type { KvCompare, KvOperation } from "@hearthmesh/gateway/contracts";
import type { HttpAnswer, HttpRequest } from "./http-connection.js";

/** `ApiClient`, or one `HttpConnection`. */
export interface KeyValueDoor {
  send(request: HttpRequest): Promise<HttpAnswer>;
}

/** A text is kept as its UTF-8. */
export type Value = string | Uint8Array;

/** A key without its value, as in a listing of keys. */
export interface KeyRecord {
  readonly key: string;
  /** Of this version of the value, for `ifMatch`. It is the revision as text. */
  readonly etag: string;
  /** Of the store, when the key was last written. */
  readonly revision: number;
  /** Of the store, when the key was made. */
  readonly createRevision: number;
  /** 1 when just made, then one more for each write. */
  readonly version: number;
  /** The lease it lives with. */
  readonly leaseId?: number;
}

export interface KeyValueEntry extends KeyRecord {
  /** Up to 1 MiB. */
  readonly value: Uint8Array;
}

/** A lock and the token of its holder: a write with it fails when the lock was lost. */
export interface Fence {
  readonly lock: string;
  readonly token: number;
}

export interface PutOptions {
  /** The key deletes itself after this time. Not together with `leaseId`. */
  readonly ttlMs?: number;
  /** Ties the key to this lease. */
  readonly leaseId?: number;
  /** Fails with `MESH_KV_CHANGED` unless the key has this ETag; `"*"`: unless it is there. */
  readonly ifMatch?: string;
  /** Fails with `MESH_KV_CHANGED` when the key is there. */
  readonly ifAbsent?: boolean;
  /** Fails with `MESH_LOCK_LOST` unless the lock is held with this token. */
  readonly fence?: Fence;
  readonly signal?: AbortSignal;
}

export interface ListOptions {
  /** Keys alone. */
  readonly keysOnly?: boolean;
  /** As it was at this revision. Default: as it is, all pages at the revision of the first. */
  readonly revision?: number;
  /** Entries in all. */
  readonly limit?: number;
  readonly signal?: AbortSignal;
}

/** One page of a listing, with the revision at which it was read. */
export interface KeyValuePage {
  readonly entries: readonly (KeyRecord & { readonly value?: Uint8Array })[];
  /** Go on with `after`: the last key, and the same `revision`. */
  readonly more: boolean;
  readonly revision: number;
}

/** One key, or all that begin with a text; an empty prefix is everything. */
export type WatchRange = { readonly key: string } | { readonly prefix: string };

export interface WatchOptions {
  /** First revision of interest. Default: what comes after the call. */
  readonly fromRevision?: number;
  /** Without the values. */
  readonly keysOnly?: boolean;
  /** Ends the watch quietly. */
  readonly signal?: AbortSignal;
  /** The watch is open: every change after this revision follows. Again after a reconnection. */
  onReady?(revision: number): void;
  /** The connection was lost, and will be made again; nothing is missed. */
  onLost?(error: Error): void;
}

export type KeyValueEvent =
  | { readonly type: "put"; readonly entry: KeyRecord & { readonly value?: Uint8Array } }
  | { readonly type: "delete"; readonly key: string };

/** All that one transaction changed in the range, never split. */
export interface KeyValueChange {
  readonly revision: number;
  readonly events: readonly KeyValueEvent[];
}

/** A shape of the HTTP API with the value itself in place of its base64. */
type WithValue<Shape> = Shape extends { valueBase64: string }
  ? Omit<Shape, "valueBase64"> & { value: Value }
  : Shape;

export type TransactionCompare = WithValue<KvCompare>;
export type TransactionOperation = WithValue<KvOperation>;

export interface Transaction {
  /** All must hold. */
  readonly compare?: readonly TransactionCompare[];
  /** When they hold. */
  readonly success: readonly TransactionOperation[];
  /** When one of them does not. */
  readonly failure?: readonly TransactionOperation[];
  readonly fence?: Fence;
}

export type TransactionResult =
  | { readonly type: "put" }
  | { readonly type: "delete"; readonly deleted: number }
  | { readonly type: "get"; readonly entry: KeyValueEntry | undefined };

export interface TransactionAnswer {
  /** The compares held. */
  readonly succeeded: boolean;
  readonly revision: number;
  /** Of the operations that ran, in their order. */
  readonly results: readonly TransactionResult[];
}

/** A time to live that keys share. */
export interface Lease {
  readonly leaseId: number;
  readonly ttlMs: number;
  /** SPIFFE id. */
  readonly owner: string;
  /** By the clock of the coordinator that gave it. */
  readonly createdAtMs: number;
  readonly purpose: "lease" | "key" | "lock";
}
