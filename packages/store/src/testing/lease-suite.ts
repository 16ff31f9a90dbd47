import assert from "node:assert/strict";
import { limits } from "@hearthmesh/core";
import { put, remove } from "../operations.js";
import { bytes, type DeclareTest, fill, keysIn, rejectsWith, take } from "./harness.js";

export function leaseSuite(test: DeclareTest): void {
  test("the keys of a lease go in one transaction when its time has passed", async (subject) => {
    const { store } = subject;
    const lease = await store.grantLease(1000);
    await fill(store, ["stays"]);
    await store.transact({ success: [put("x", bytes("1"), lease.id)] });
    const { revision } = await store.transact({ success: [put("y", bytes("1"), lease.id)] });
    assert.equal((await store.get("x"))?.leaseId, lease.id);
    await subject.advance(999);
    assert.deepEqual(await keysIn(store, { prefix: "" }), ["stays", "x", "y"]);
    await subject.advance(1);
    assert.deepEqual(await keysIn(store, { prefix: "" }), ["stays"]);
    const [batch] = await take(store, { prefix: "" }, revision + 1, 1);
    assert.deepEqual(
      batch?.events.map((event) => event.type === "delete" && event.key),
      ["x", "y"],
    );
  });

  test("keepAlive starts the time anew", async (subject) => {
    const { store } = subject;
    const lease = await store.grantLease(1000);
    await store.transact({ success: [put("x", bytes("1"), lease.id)] });
    for (let round = 0; round < 3; round++) {
      await subject.advance(900);
      await lease.keepAlive();
    }
    assert.deepEqual(await keysIn(store, { prefix: "" }), ["x"]);
    await subject.advance(1000);
    assert.deepEqual(await keysIn(store, { prefix: "" }), []);
    await rejectsWith("MESH_STORE_LEASE_UNKNOWN", () => lease.keepAlive());
  });

  test("revoke deletes the keys at once and may be repeated", async ({ store }) => {
    const lease = await store.grantLease(1000);
    await store.transact({ success: [put("x", bytes("1"), lease.id), put("y", bytes("1"))] });
    await lease.revoke();
    assert.deepEqual(await keysIn(store, { prefix: "" }), ["y"]);
    await lease.revoke();
    await rejectsWith("MESH_STORE_LEASE_UNKNOWN", () => lease.keepAlive());
    await rejectsWith("MESH_STORE_LEASE_UNKNOWN", () =>
      store.transact({ success: [put("x", bytes("1"), lease.id)] }),
    );
  });

  test("a put after a revoke that was sent before it is refused", async ({ store }) => {
    const lease = await store.grantLease(1000);
    const revoked = lease.revoke();
    await rejectsWith("MESH_STORE_LEASE_UNKNOWN", () =>
      store.transact({ success: [put("x", bytes("1"), lease.id)] }),
    );
    await revoked;
    assert.equal(await store.get("x"), undefined);
  });

  test("a key that was written without the lease, or deleted, is free of it", async (subject) => {
    const { store } = subject;
    const lease = await store.grantLease(1000);
    const other = await store.grantLease(5000);
    const success = ["freed", "moved", "again"].map((key) => put(key, bytes("1"), lease.id));
    await store.transact({ success });
    await store.transact({
      success: [put("freed", bytes("2")), put("moved", bytes("2"), other.id), remove("again")],
    });
    await store.transact({ success: [put("again", bytes("3"))] });
    await subject.advance(1000);
    assert.deepEqual(await keysIn(store, { prefix: "" }), ["again", "freed", "moved"]);
    await subject.advance(4000);
    assert.deepEqual(await keysIn(store, { prefix: "" }), ["again", "freed"]);
  });

  test("a lease survives a restart, and its time starts anew", async (subject) => {
    const lease = await subject.store.grantLease(1000);
    await subject.store.transact({ success: [put("x", bytes("1"), lease.id)] });
    await subject.advance(900);
    await subject.reopen();
    await subject.advance(900);
    assert.deepEqual(await keysIn(subject.store, { prefix: "" }), ["x"]);
    await subject.advance(100);
    assert.deepEqual(await keysIn(subject.store, { prefix: "" }), []);
  });

  test("a lease's id is never given again", async (subject) => {
    const first = await subject.store.grantLease(1000);
    await first.revoke();
    await subject.reopen();
    const second = await subject.store.grantLease(1000);
    assert.notEqual(second.id, first.id);
  });

  test("a lease is found by its id, also after a restart, until it ends", async (subject) => {
    const granted = await subject.store.grantLease(60_000);
    const other = await subject.store.grantLease(60_000);
    await subject.store.transact({ success: [put("x", bytes("1"), granted.id)] });
    await subject.reopen();
    const found = await subject.store.findLease(granted.id);
    assert.deepEqual([found?.id, found?.ttlMs], [granted.id, granted.ttlMs]);
    await subject.advance(40_000);
    await found?.keepAlive();
    await subject.advance(40_000);
    assert.equal(await subject.store.findLease(other.id), undefined);
    assert.deepEqual(await keysIn(subject.store, { prefix: "" }), ["x"]);
    await (await subject.store.findLease(granted.id))?.revoke();
    assert.equal(await subject.store.findLease(granted.id), undefined);
    assert.equal(await subject.store.get("x"), undefined);
    assert.equal(await subject.store.findLease(4711), undefined);
    for (const id of [0, -1, 1.5, Number.NaN]) {
      await rejectsWith("MESH_BAD_REQUEST", () => subject.store.findLease(id));
    }
  });

  test("an unknown lease, a wrong time and too many keys are refused", async ({ store }) => {
    await rejectsWith("MESH_STORE_LEASE_UNKNOWN", () =>
      store.transact({ success: [put("x", bytes("1"), 4711)] }),
    );
    for (const ttlMs of [0, -1, 1.5, Number.NaN, limits.STORE_LEASE_TTL_MS_MAX + 1]) {
      await rejectsWith("MESH_BAD_REQUEST", () => store.grantLease(ttlMs));
    }
    const lease = await store.grantLease(1000);
    const size = limits.STORE_TXN_OPERATIONS_MAX;
    for (let start = 0; start < limits.STORE_LEASE_KEYS_MAX; start += size) {
      const puts = Array.from({ length: size }, (_, index) =>
        put(`k/${start + index}`, bytes("1"), lease.id),
      );
      await store.transact({ success: puts });
    }
    await rejectsWith("MESH_LIMIT", () =>
      store.transact({ success: [put("one more", bytes("1"), lease.id)] }),
    );
    await store.transact({ success: [put("k/0", bytes("again"), lease.id)] });
  });
}
