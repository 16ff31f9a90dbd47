/**
 * The queue of one lock, as a pure function of what the store holds. Each one who asks has a key
 * with a lease of its own below the lock. Whose key has the lowest revision of making holds the
 * lock, and that revision is its fencing token (the recipe of etcd's `concurrency` package).
 *
 * | state     | when                                   | what follows                             |
 * |-----------|----------------------------------------|------------------------------------------|
 * | `waiting` | keys with lower revisions are there    | look again when the one before it goes   |
 * | `held`    | its key has the lowest revision        | renew, until release or the lease ends   |
 * | `lost`    | its key is not there                   | it never comes back: ask anew            |
 *
 * Invariants: a key only moves forward, from `waiting` to `held`; at each revision of the store at
 * most one holds the lock; tokens of holders grow, because a key that is made later has a higher
 * revision and a key that was deleted is made anew at the end.
 */
import { isMeshError } from "@hearthmesh/core";
import { type KeyValue, parseJsonValue, type RangeResult } from "@hearthmesh/store";
import type { LockHold, LockInfo } from "./types.js";

export interface LockRecord {
  readonly v: 1;
  /** Node id of who asked. */
  readonly owner: string;
  readonly spiffeId: string;
  readonly holder: string;
  readonly ttlMs: number;
  readonly askedAtMs: number;
  /** When it had to wait, and waits no more. */
  readonly heldAtMs?: number;
}

export interface QueueEntry {
  readonly storeKey: string;
  readonly token: number;
  readonly leaseId: number;
  readonly record: LockRecord;
}

/** First comes the holder, then who waits, in the order of asking. */
export interface LockQueue {
  readonly entries: readonly QueueEntry[];
  /** The store's revision at which it was read. */
  readonly revision: number;
}

export type Turn =
  | { readonly state: "held" }
  | { readonly state: "waiting"; readonly predecessor: QueueEntry }
  | { readonly state: "lost" };

export function readQueue({ entries, revision }: Pick<RangeResult, "entries" | "revision">) {
  return { entries: inOrder(entries), revision } satisfies LockQueue;
}

export function inOrder(entries: readonly KeyValue[]): QueueEntry[] {
  return entries
    .map(({ key, createRevision, leaseId, value }) => ({
      storeKey: key,
      token: createRevision,
      leaseId,
      record: parseLockRecord(value),
    }))
    .sort((a, b) => a.token - b.token);
}

export function turnOf({ entries }: LockQueue, token: number): Turn {
  const index = entries.findIndex((entry) => entry.token === token);
  if (index < 0) return { state: "lost" };
  const predecessor = entries[index - 1];
  return predecessor === undefined ? { state: "held" } : { state: "waiting", predecessor };
}

export function holdOf(name: string, { token, record }: QueueEntry): LockHold {
  const { ttlMs, spiffeId, holder, askedAtMs, heldAtMs = askedAtMs } = record;
  return { name, token, ttlMs, principal: spiffeId, holder, sinceMs: heldAtMs };
}

export function lockInfo(name: string, queue: readonly QueueEntry[]): LockInfo {
  const [holder] = queue;
  const held = holder && holdOf(name, holder);
  return { name, held, waiting: Math.max(0, queue.length - 1) };
}

const UNREADABLE: LockRecord = {
  v: 1,
  owner: "",
  spiffeId: "",
  holder: "",
  ttlMs: 0,
  askedAtMs: 0,
};

/** A record of another form still holds its place in the queue. */
function parseLockRecord(value: Uint8Array): LockRecord {
  try {
    const record = parseJsonValue(value) as Partial<LockRecord> | null;
    return record?.v === 1 ? (record as LockRecord) : UNREADABLE;
  } catch (error) {
    if (isMeshError(error, "MESH_STORE_CORRUPT")) return UNREADABLE;
    throw error;
  }
}
