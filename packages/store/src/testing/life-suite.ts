import assert from "node:assert/strict";
import { limits } from "@hearthmesh/core";
import { put, remove, removeRange } from "../operations.js";
import { bytes, type DeclareTest, fill, keysIn, rejectsWith, take, textOf } from "./harness.js";

/** Compaction, restarts, limits and closing. */
export function lifeSuite(test: DeclareTest): void {
  test("compaction forgets the past and keeps the present", async ({ store }) => {
    const first = await fill(store, ["a", "b"]);
    await store.transact({ success: [put("a", bytes("2"))] });
    const horizon = (await store.transact({ success: [remove("b")] })).revision;
    await fill(store, ["c"]);
    await store.compact(horizon);
    assert.equal((await store.status()).compactedRevision, horizon);
    await rejectsWith("MESH_STORE_COMPACTED", () => store.get("a", { revision: first }));
    await rejectsWith("MESH_STORE_COMPACTED", () =>
      store.range({ prefix: "" }, { revision: horizon - 1 }),
    );
    const then = await store.range({ prefix: "" }, { revision: horizon });
    assert.deepEqual(then.entries.map(textOf), ["2"]);
    assert.deepEqual(await keysIn(store, { prefix: "" }), ["a", "c"]);
    await store.compact(first);
    assert.equal((await store.status()).compactedRevision, horizon);
  });

  test("everything is there after a restart", async (subject) => {
    await fill(subject.store, ["a", "b", "a"]);
    const removed = await subject.store.transact({ success: [remove("b")] });
    await subject.store.compact(removed.revision - 2);
    const before = await subject.store.status();
    const entry = await subject.store.get("a");
    await subject.reopen();
    const { sizeBytes: _size, ...after } = await subject.store.status();
    assert.deepEqual(after, {
      engine: before.engine,
      revision: removed.revision,
      compactedRevision: removed.revision - 2,
      keys: 1,
    });
    assert.deepEqual(await subject.store.get("a"), entry);
    assert.deepEqual((await take(subject.store, { prefix: "b" }, removed.revision, 1)).length, 1);
    assert.equal(await fill(subject.store, ["c"]), removed.revision + 1);
  });

  test("a revision is never given twice, even when all was deleted", async (subject) => {
    await fill(subject.store, ["a"]);
    const { revision } = await subject.store.transact({ success: [remove("a")] });
    await subject.store.compact(revision);
    await subject.reopen();
    assert.equal((await subject.store.status()).revision, revision);
    assert.equal(await fill(subject.store, ["a"]), revision + 1);
  });

  test("status counts the live keys", async ({ store }) => {
    assert.equal((await store.status()).keys, 0);
    await fill(store, ["a", "b", "b", "c"]);
    await store.transact({ success: [remove("a"), put("d", bytes("1"))] });
    const status = await store.status();
    assert.equal(status.keys, 3);
    assert.ok(status.sizeBytes > 0);
  });

  test("keys that are not allowed are refused everywhere", async ({ store }) => {
    const tooLong = "é".repeat(limits.STORE_KEY_BYTES_MAX / 2 + 1);
    for (const key of ["", "a\0b", "\ud800", "a\udc00b", tooLong]) {
      await rejectsWith("MESH_STORE_KEY_INVALID", () => store.get(key));
      await rejectsWith("MESH_STORE_KEY_INVALID", () =>
        store.transact({ success: [put(key, bytes("1"))] }),
      );
      await rejectsWith("MESH_STORE_KEY_INVALID", () =>
        store.transact({ success: [], failure: [remove(key)] }),
      );
      if (key === "") continue;
      await rejectsWith("MESH_STORE_KEY_INVALID", () => store.range({ prefix: key }));
      await rejectsWith("MESH_STORE_KEY_INVALID", () => store.range({ start: "a", end: key }));
    }
    const longest = "k".repeat(limits.STORE_KEY_BYTES_MAX);
    await fill(store, [longest, "\u0001", "line\nbreak", "\u{10ffff}"]);
    assert.equal(textOf(await store.get(longest)), `value of ${longest}`);
  });

  test("values, transactions and revisions have limits", async ({ store }) => {
    const largest = new Uint8Array(limits.STORE_VALUE_BYTES_MAX).fill(7);
    await store.transact({ success: [put("large", largest), put("empty", new Uint8Array(0))] });
    assert.deepEqual((await store.get("large"))?.value, largest);
    assert.deepEqual((await store.get("empty"))?.value, new Uint8Array(0));
    await rejectsWith("MESH_STORE_VALUE_TOO_LARGE", () =>
      store.transact({ success: [put("a", new Uint8Array(limits.STORE_VALUE_BYTES_MAX + 1))] }),
    );
    const many = Array.from({ length: limits.STORE_TXN_OPERATIONS_MAX + 1 }, (_, index) =>
      remove(`k/${index}`),
    );
    await store.transact({ success: many.slice(1) });
    await rejectsWith("MESH_STORE_TXN_TOO_LARGE", () => store.transact({ success: many }));
    const eight = Array.from({ length: 8 }, (_, index) => put(`k/${index}`, largest));
    await rejectsWith("MESH_STORE_TXN_TOO_LARGE", () => store.transact({ success: eight }));
    for (const revision of [0, -1, 1.5, Number.NaN]) {
      await rejectsWith("MESH_BAD_REQUEST", () => store.get("a", { revision }));
      await rejectsWith("MESH_BAD_REQUEST", () => store.compact(revision));
    }
    await rejectsWith("MESH_BAD_REQUEST", () => store.range({ prefix: "" }, { limit: 0 }));
  });

  test("a deletion of too many keys is refused and deletes none", async ({ store }) => {
    const count = limits.STORE_RANGE_ENTRIES_MAX + 1;
    const keys = Array.from({ length: count }, (_, index) => `k/${index}`);
    for (let start = 0; start < count; start += limits.STORE_TXN_OPERATIONS_MAX) {
      const part = keys.slice(start, start + limits.STORE_TXN_OPERATIONS_MAX);
      await store.transact({ success: part.map((key) => put(key, bytes("1"))) });
    }
    const all = { success: [put("z", bytes("1")), removeRange({ prefix: "k/" })] };
    await rejectsWith("MESH_STORE_TXN_TOO_LARGE", () => store.transact(all));
    assert.equal((await store.status()).keys, count);
    const page = await store.range({ prefix: "k/" });
    assert.deepEqual([page.entries.length, page.more], [count - 1, true]);
    await store.transact({ success: [remove("k/0")] });
    await store.transact(all);
    assert.deepEqual(await keysIn(store, { prefix: "" }), ["z"]);
  });

  test("a closed store refuses everything, and closing twice is fine", async ({ store }) => {
    const lease = await store.grantLease(1000);
    const pending = store.transact({ success: [put("a", bytes("1"))] });
    await store.close();
    await store.close();
    assert.equal((await pending).succeeded, true);
    const refused = [
      () => store.get("a"),
      () => store.range({ prefix: "" }),
      () => store.transact({ success: [] }),
      () => store.grantLease(1000),
      () => store.compact(1),
      () => store.status(),
      () => lease.keepAlive(),
      () => lease.revoke(),
      () => take(store, { prefix: "" }, 1, 1),
    ];
    for (const work of refused) await rejectsWith("MESH_STORE_CLOSED", async () => await work());
  });
}
