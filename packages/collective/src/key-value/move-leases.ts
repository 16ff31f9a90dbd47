/**
 * What becomes of users' leases when the store moves to another engine, which gives leases new
 * ids. A key that lives with a lease stays with its successor, whose owner stays the same. Locks
 * are not moved: their tokens are revisions of the old store, so they are free in the new one.
 */
import type { KeyValue } from "@hearthmesh/store";
import { LEASE_PREFIX, LOCK_PREFIX, leaseKey } from "./keys.js";
import { parseLeaseRecord } from "./lease-record.js";

/** For `migrateStore`: a key and value under the new lease; nothing leaves the entry out. */
export function rebindUserLease(
  { key, value }: KeyValue,
  leaseId: number,
): { key: string; value: Uint8Array } | undefined {
  if (key.startsWith(LOCK_PREFIX)) return undefined;
  if (!key.startsWith(LEASE_PREFIX)) return { key, value };
  if (parseLeaseRecord(value)?.purpose === "lock") return undefined;
  return { key: leaseKey(leaseId), value };
}
