import assert from "node:assert/strict";
import { put, remove } from "../operations.js";
import { bytes, type DeclareTest, fill, keysIn, rejectsWith, textOf } from "./harness.js";

/** In the order of their UTF-8 bytes, which differs from that of UTF-16 at the end. */
const ORDERED = ["A", "a", "a\u0001", "a/", "a/b", "a0", "é", "\ud7ff", "\ue000", "\uffff", "😀"];

export function rangeSuite(test: DeclareTest): void {
  test("keys are ordered by their UTF-8 bytes", async ({ store }) => {
    await fill(store, [...ORDERED].sort());
    assert.deepEqual(await keysIn(store, { prefix: "" }), ORDERED);
    const reversed = await store.range({ prefix: "" }, { reverse: true });
    assert.deepEqual(
      reversed.entries.map((entry) => entry.key),
      [...ORDERED].reverse(),
    );
  });

  test("a prefix and a range take exactly their keys", async ({ store }) => {
    await fill(store, ORDERED);
    assert.deepEqual(await keysIn(store, { prefix: "a" }), ["a", "a\u0001", "a/", "a/b", "a0"]);
    assert.deepEqual(await keysIn(store, { prefix: "a/" }), ["a/", "a/b"]);
    assert.deepEqual(await keysIn(store, { prefix: "\ud7ff" }), ["\ud7ff"]);
    assert.deepEqual(await keysIn(store, { prefix: "\uffff" }), ["\uffff"]);
    assert.deepEqual(await keysIn(store, { prefix: "\u{10ffff}" }), []);
    assert.deepEqual(await keysIn(store, { start: "a/", end: "é" }), ["a/", "a/b", "a0"]);
    assert.deepEqual(await keysIn(store, { start: "\ue000", end: "😀" }), ["\ue000", "\uffff"]);
    assert.deepEqual(await keysIn(store, { start: "b", end: "a" }), []);
    assert.deepEqual(await keysIn(store, { start: "a", end: "" }), []);
  });

  test("limit cuts the page and says that there is more", async ({ store }) => {
    const revision = await fill(store, ["a", "b", "c"]);
    const page = await store.range({ prefix: "" }, { limit: 2 });
    assert.deepEqual(
      [page.entries.map((entry) => entry.key), page.more, page.revision],
      [["a", "b"], true, revision],
    );
    assert.equal((await store.range({ prefix: "" }, { limit: 3 })).more, false);
    const last = await store.range({ prefix: "" }, { limit: 1, reverse: true });
    assert.deepEqual([last.entries[0]?.key, last.more], ["c", true]);
  });

  test("keysOnly leaves the values out and keeps the rest", async ({ store }) => {
    const revision = await fill(store, ["a"]);
    const { entries } = await store.range({ prefix: "" }, { keysOnly: true });
    assert.deepEqual(entries, [
      {
        key: "a",
        value: new Uint8Array(0),
        createRevision: revision,
        modRevision: revision,
        version: 1,
        leaseId: 0,
      },
    ]);
  });

  test("a page that would be too large ends early", async ({ store }) => {
    const value = new Uint8Array(1 << 20);
    const keys = Array.from(
      { length: 34 },
      (_, index) => `large/${String(index).padStart(2, "0")}`,
    );
    for (const key of keys) await store.transact({ success: [put(key, value)] });
    const page = await store.range({ prefix: "large/" });
    assert.ok(page.more && page.entries.length > 1 && page.entries.length < keys.length);
    const names = await store.range({ prefix: "large/" }, { keysOnly: true });
    assert.deepEqual([names.entries.length, names.more], [keys.length, false]);
  });

  test("many keys are read whole, forward, backward and in the past", async ({ store }) => {
    const keys = Array.from({ length: 500 }, (_, index) => `k/${String(index).padStart(4, "0")}`);
    for (let start = 0; start < keys.length; start += 100) {
      const success = keys.slice(start, start + 100).map((key) => put(key, bytes(key)));
      await store.transact({ success });
    }
    const { revision } = await store.transact({ success: [remove("k/0100")] });
    const left = keys.filter((key) => key !== "k/0100");
    const names = async (options: { reverse?: boolean; revision?: number }) =>
      (await store.range({ prefix: "k/" }, options)).entries.map(textOf);
    assert.deepEqual(await names({}), left);
    assert.deepEqual(await names({ reverse: true }), [...left].reverse());
    assert.deepEqual(await names({ revision: revision - 1 }), keys);
    assert.deepEqual(await names({ revision: revision - 1, reverse: true }), [...keys].reverse());
  });

  test("reads see the past as it was", async ({ store }) => {
    const first = await fill(store, ["a"]);
    const second = (await store.transact({ success: [put("a", bytes("2")), put("b", bytes("2"))] }))
      .revision;
    const third = (await store.transact({ success: [remove("a")] })).revision;
    await fill(store, ["a"]);
    const names = async (revision: number) =>
      (await store.range({ prefix: "" }, { revision })).entries.map((entry) => entry.key);
    assert.deepEqual(await names(first - 1), []);
    assert.deepEqual(await names(first), ["a"]);
    assert.deepEqual(await names(second), ["a", "b"]);
    assert.deepEqual(await names(third), ["b"]);
    assert.equal(textOf(await store.get("a", { revision: first })), "value of a");
    assert.equal(textOf(await store.get("a", { revision: second })), "2");
    assert.equal(await store.get("a", { revision: third }), undefined);
    assert.equal((await store.range({ prefix: "" }, { revision: second })).revision, second);
  });

  test("a revision that is not there yet is refused", async ({ store }) => {
    const revision = await fill(store, ["a"]);
    const future = { revision: revision + 1 };
    await rejectsWith("MESH_STORE_FUTURE_REVISION", () => store.get("a", future));
    await rejectsWith("MESH_STORE_FUTURE_REVISION", () => store.range({ prefix: "" }, future));
    await rejectsWith("MESH_STORE_FUTURE_REVISION", () => store.compact(revision + 1));
  });

  test("what a reader does to a value changes nothing", async ({ store }) => {
    const value = bytes("fixed");
    await store.transact({ success: [put("a", value)] });
    value[0] = 0;
    (await store.get("a"))?.value.fill(0);
    assert.equal(textOf(await store.get("a")), "fixed");
  });
}
