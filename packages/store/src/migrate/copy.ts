/** Copies entries into the target, as many in a transaction as it takes. */
import { limits } from "@hearthmesh/core";
import { put } from "../operations.js";
import type { KeyValue, Lease, Operation, Store } from "../types.js";
import { isLasting, isLeased, pagesOfStore, type WalkOptions } from "./entries.js";
import { MIGRATION_BATCH_BYTES_MAX } from "./limits.js";

export function bytesOf({ key, value }: { key: string; value: Uint8Array }): number {
  return Buffer.byteLength(key, "utf8") + value.length;
}

/** Writes what it is given, in order, in full transactions. */
class BatchWriter {
  readonly #store: Store;
  #operations: Operation[] = [];
  #bytes = 0;

  constructor(store: Store) {
    this.#store = store;
  }

  async put(key: string, value: Uint8Array, leaseId?: number): Promise<void> {
    const bytes = bytesOf({ key, value });
    const isFull =
      this.#operations.length >= limits.STORE_TXN_OPERATIONS_MAX ||
      this.#bytes + bytes > MIGRATION_BATCH_BYTES_MAX;
    if (isFull) await this.finish();
    this.#operations.push(put(key, value, leaseId));
    this.#bytes += bytes;
  }

  async finish(): Promise<void> {
    if (this.#operations.length === 0) return;
    await this.#store.transact({ success: this.#operations });
    this.#operations = [];
    this.#bytes = 0;
  }
}

/** The entries without a lease; answers how many there were. */
export async function copyLasting(
  from: Store,
  to: Store,
  options: WalkOptions & { readonly onProgress: (done: number) => void },
): Promise<number> {
  const { onProgress, ...walk } = options;
  const writer = new BatchWriter(to);
  let count = 0;
  for await (const page of pagesOfStore(from, walk)) {
    for (const { key, value } of page.filter(isLasting)) {
      await writer.put(key, value);
      count++;
    }
    onProgress(count);
  }
  await writer.finish();
  return count;
}

/** A key and value for the new lease; nothing leaves the entry out. */
export type Rebind = (
  entry: KeyValue,
  leaseId: number,
) => { key: string; value: Uint8Array } | undefined;

export interface LeasedCopy {
  readonly leases: number;
  readonly keys: number;
}

/**
 * Those with a lease, a lease at a time: each gets a new one with the same time to live, which
 * starts anew. A lease that ends meanwhile takes its keys with it, on either side.
 */
export async function copyLeased(
  from: Store,
  to: Store,
  rebind: Rebind,
  signal: AbortSignal | undefined,
): Promise<LeasedCopy> {
  const groups = new Map<number, string[]>();
  for await (const page of pagesOfStore(from, { signal })) {
    for (const { key, leaseId } of page.filter(isLeased)) {
      groups.set(leaseId, [...(groups.get(leaseId) ?? []), key]);
    }
  }
  let leases = 0;
  let copied = 0;
  for (const [leaseId, keys] of groups) {
    signal?.throwIfAborted();
    const count = await copyLease(from, to, { leaseId, keys }, rebind);
    if (count > 0) leases++;
    copied += count;
  }
  return { leases, keys: copied };
}

async function copyLease(
  from: Store,
  to: Store,
  { leaseId, keys }: { leaseId: number; keys: readonly string[] },
  rebind: Rebind,
): Promise<number> {
  const old = await from.findLease(leaseId);
  if (old === undefined) return 0;
  let lease: Lease | undefined;
  let count = 0;
  const writer = new BatchWriter(to);
  for (const key of keys) {
    const entry = await from.get(key);
    if (entry?.leaseId !== leaseId) continue;
    lease ??= await to.grantLease(old.ttlMs);
    const bound = rebind(entry, lease.id);
    if (bound === undefined) continue;
    await writer.put(bound.key, bound.value, lease.id);
    count++;
  }
  await writer.finish();
  if (count === 0) await lease?.revoke();
  return count;
}
