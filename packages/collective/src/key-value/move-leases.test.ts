import { jsonValue, type KeyValue } from "@hearthmesh/store";
import { expect, it } from "vitest";
import { dataKey, leaseKey, queueKey } from "./keys.js";
import { rebindUserLease } from "./move-leases.js";

const entry = (key: string, value: Uint8Array): KeyValue => ({
  key,
  value,
  createRevision: 1,
  modRevision: 1,
  version: 1,
  leaseId: 7,
});
const record = (purpose: string) => jsonValue({ v: 1, owner: "n", ttlMs: 1, purpose });

it("keeps keys with the lease that follows theirs, and lets go of locks", () => {
  const data = entry(dataKey("app/session"), Buffer.from("x"));
  expect(rebindUserLease(data, 9)).toEqual({ key: data.key, value: data.value });
  const lease = entry(leaseKey(7), record("lease"));
  expect(rebindUserLease(lease, 9)).toEqual({ key: leaseKey(9), value: lease.value });
  expect(rebindUserLease(entry(leaseKey(7), record("lock")), 9)).toBeUndefined();
  expect(rebindUserLease(entry(queueKey("backup", 7), record("lock")), 9)).toBeUndefined();
});
