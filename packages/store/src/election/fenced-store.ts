/**
 * A store whose every transaction holds only while its writer leads: the guard and the write are
 * one step of the store, so neither a pause nor a slow network can bring a replaced leader's write
 * in. Reads, watches, leases and compaction pass through: they change nothing that others rely on.
 */
import { isMeshError, MeshError } from "@hearthmesh/core";
import type { Compare, Store } from "../types.js";

export interface FencedStoreOptions {
  /** Told about each write that the guard refused, so that its owner steps down at once. */
  readonly onFenced?: (guard: Compare) => void;
}

/**
 * `guard` is asked at each transaction; what it throws is the transaction's failure. A guard that
 * does not hold is `MESH_EPOCH_OLD`; a transaction with a guard of its own is `MESH_BAD_REQUEST`.
 */
export function fencedStore(
  store: Store,
  guard: () => Compare,
  options: FencedStoreOptions = {},
): Store {
  return {
    get: (key, rest) => store.get(key, rest),
    range: (range, rest) => store.range(range, rest),
    async transact(transaction) {
      if (transaction.guard !== undefined) {
        throw new MeshError("MESH_BAD_REQUEST", {
          message: "a fenced store sets the guard itself",
        });
      }
      const present = guard();
      try {
        return await store.transact({ ...transaction, guard: present });
      } catch (error) {
        if (isMeshError(error, "MESH_EPOCH_OLD")) options.onFenced?.(present);
        throw error;
      }
    },
    grantLease: (ttlMs) => store.grantLease(ttlMs),
    findLease: (leaseId) => store.findLease(leaseId),
    watch: (range, rest) => store.watch(range, rest),
    compact: (revision) => store.compact(revision),
    status: () => store.status(),
    close: () => store.close(),
  };
}
