/** What the parts of the key-value service share, and how they run a transaction. */
import { type Clock, isMeshError, type Logger, MeshError } from "@hearthmesh/core";
import type { Principal } from "@hearthmesh/identity";
import type { Compare, KeyValue, Store, Transaction, TransactionResult } from "@hearthmesh/store";
import { KeyAccess, type KeyValuePolicy } from "./access.js";
import { DATA_PREFIX, keyOfData, lockPath, parseLockName, queuePrefix } from "./keys.js";
import type { Leases } from "./leases.js";
import { type LockQueue, readQueue } from "./lock-queue.js";
import type { Fence, KeyEntry } from "./types.js";
import type { UsageMeter } from "./usage-meter.js";
import type { WatchPlaces } from "./watch-places.js";

export interface KeyValueContext {
  readonly store: Store;
  readonly policy: KeyValuePolicy;
  readonly clock: Clock;
  readonly log: Logger;
  readonly usage: UsageMeter;
  readonly leases: Leases;
  readonly places: WatchPlaces;
}

export function accessOf({ policy, clock }: KeyValueContext, principal: Principal): KeyAccess {
  return new KeyAccess(policy, clock, principal);
}

/** The entry as its user knows it. */
export function keyEntry(entry: KeyValue): KeyEntry {
  return { ...entry, key: keyOfData(entry.key) };
}

/**
 * The condition that the lock is still held with this token; the store checks it together with
 * the write, so that a late holder's write does nothing. `MESH_LOCK_LOST` when it is over already.
 */
export async function fenceGuard(
  context: KeyValueContext,
  access: KeyAccess,
  { lock, token }: Fence,
): Promise<Compare> {
  const name = parseLockName(lock);
  access.require(lockPath(name), "read");
  const holder = (await queueOf(context, name)).entries[0];
  if (holder === undefined || holder.token !== token) throw lockLost(name, token);
  return { key: holder.storeKey, target: "createRevision", is: "=", value: token };
}

export async function queueOf({ store }: KeyValueContext, lock: string): Promise<LockQueue> {
  return readQueue(await store.range({ prefix: queuePrefix(lock) }));
}

export function lockLost(lock: string, token: number): MeshError {
  return new MeshError("MESH_LOCK_LOST", {
    message: `the lock ${JSON.stringify(lock)} is not held with the token ${token} any more`,
    details: { lock, token },
  });
}

/** Runs it with the fence as its guard. Errors name keys as their user knows them. */
export async function runTransaction(
  { store }: KeyValueContext,
  transaction: Transaction,
  fence?: { readonly guard: Compare; readonly fence: Fence },
): Promise<TransactionResult> {
  try {
    const guarded = fence === undefined ? transaction : { ...transaction, guard: fence.guard };
    return await store.transact(guarded);
  } catch (error) {
    if (fence !== undefined && isMeshError(error, "MESH_EPOCH_OLD")) {
      throw lockLost(fence.fence.lock, fence.fence.token);
    }
    throw inUsersWords(error);
  }
}

function inUsersWords(error: unknown): unknown {
  if (!isMeshError(error) || !error.message.includes(`"${DATA_PREFIX}`)) return error;
  return new MeshError(error.code, {
    message: error.message.replaceAll(`"${DATA_PREFIX}`, '"'),
    cause: error,
    ...(error.details === undefined ? {} : { details: error.details }),
  });
}
