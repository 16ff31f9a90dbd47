import assert from "node:assert/strict";
import { isMeshError } from "@hearthmesh/core";
import { put, remove, removeRange } from "../operations.js";
import type { WatchBatch } from "../types.js";
import { bytes, type DeclareTest, fill, rejectsWith, take } from "./harness.js";

export function watchSuite(test: DeclareTest): void {
  test("a watch gives what comes after it, each transaction as one batch", async ({ store }) => {
    await fill(store, ["before"]);
    const watch = store.watch({ prefix: "a/" })[Symbol.asyncIterator]();
    const waiting = watch.next();
    const made = await store.transact({
      success: [put("a/1", bytes("1")), put("b", bytes("1")), put("a/2", bytes("1"))],
    });
    await fill(store, ["b"]);
    const removed = await store.transact({ success: [removeRange({ prefix: "a/" })] });
    const entry = (key: string) => ({
      key,
      value: bytes("1"),
      createRevision: made.revision,
      modRevision: made.revision,
      version: 1,
      leaseId: 0,
    });
    assert.deepEqual((await waiting).value, {
      revision: made.revision,
      events: [
        { type: "put", entry: entry("a/1"), previous: undefined },
        { type: "put", entry: entry("a/2"), previous: undefined },
      ],
    });
    const modRevision = removed.revision;
    assert.deepEqual((await watch.next()).value, {
      revision: modRevision,
      events: [
        { type: "delete", key: "a/1", modRevision, previous: entry("a/1") },
        { type: "delete", key: "a/2", modRevision, previous: entry("a/2") },
      ],
    });
    await watch.return?.();
  });

  test("the start is fixed by the call, not by the first read", async ({ store }) => {
    const watch = store.watch({ prefix: "" });
    const revision = await fill(store, ["a"]);
    for await (const batch of watch) {
      assert.equal(batch.revision, revision);
      break;
    }
  });

  test("a watch from the past gives every revision once and goes on", async ({ store }) => {
    const first = await fill(store, ["a"]);
    await fill(
      store,
      Array.from({ length: 199 }, (_, index) => `k/${index}`),
    );
    const reader = take(store, { prefix: "" }, first, 300);
    await fill(
      store,
      Array.from({ length: 100 }, (_, index) => `later/${index}`),
    );
    const revisions = (await reader).map((batch) => batch.revision);
    assert.deepEqual(
      revisions,
      Array.from({ length: 300 }, (_, index) => first + index),
    );
  });

  test("a large transaction is not split", async ({ store }) => {
    const keys = Array.from({ length: 300 }, (_, index) => `k/${String(index).padStart(3, "0")}`);
    for (let start = 0; start < keys.length; start += 100) {
      const success = keys.slice(start, start + 100).map((key) => put(key, bytes(key)));
      await store.transact({ success });
    }
    const { revision } = await store.transact({ success: [removeRange({ prefix: "k/" })] });
    await fill(store, ["after"]);
    const batches = await take(store, { prefix: "" }, revision - 1, 3);
    assert.deepEqual(
      batches.map((batch) => batch.events.length),
      [100, 300, 1],
    );
  });

  test("previous is the version before, also when it is compacted", async ({ store }) => {
    const first = await fill(store, ["a"]);
    const second = await store.transact({ success: [put("a", bytes("2"))] });
    await store.transact({ success: [remove("a")] });
    await fill(store, ["a"]);
    await store.compact(first);
    const batches = await take(store, { prefix: "a" }, second.revision, 3);
    const previous = batches.map((batch) => batch.events[0]?.previous?.modRevision);
    assert.deepEqual(previous, [first, second.revision, undefined]);
  });

  test("a future start waits for its revision", async ({ store }) => {
    const revision = await fill(store, ["a"]);
    const reader = take(store, { prefix: "" }, revision + 3, 1);
    await fill(store, ["b", "c", "d"]);
    assert.deepEqual(
      (await reader).map((batch) => batch.revision),
      [revision + 3],
    );
  });

  test("watchers do not disturb each other", async ({ store }) => {
    const start = await fill(store, ["a/0", "b/0"]);
    const readers = ["a/", "b/", "", "c/"].map((prefix) => {
      const count = prefix === "" ? 6 : prefix === "c/" ? 0 : 3;
      return take(store, { prefix }, start + 1, count);
    });
    await fill(store, ["a/1", "b/1", "a/2", "b/2", "a/3", "b/3"]);
    const keys = (await Promise.all(readers)).map((batches) => batches.map(firstKey));
    assert.deepEqual(keys, [
      ["a/1", "a/2", "a/3"],
      ["b/1", "b/2", "b/3"],
      ["a/1", "b/1", "a/2", "b/2", "a/3", "b/3"],
      [],
    ]);
  });

  test("the signal ends a watch, also one that waits", async ({ store }) => {
    const controller = new AbortController();
    const { signal } = controller;
    const watch = store.watch({ prefix: "" }, { signal })[Symbol.asyncIterator]();
    const waiting = watch.next();
    await fill(store, ["a"]);
    assert.equal((await waiting).done, false);
    const last = watch.next();
    controller.abort();
    assert.deepEqual(await last, { done: true, value: undefined });
    const late = store.watch({ prefix: "" }, { signal })[Symbol.asyncIterator]();
    assert.equal((await late.next()).done, true);
  });

  test("a compacted start is refused, and a reader that lags is cut", async (subject) => {
    const { store, lag = { writes: 600, valueBytes: 1 } } = subject;
    const value = new Uint8Array(lag.valueBytes);
    const first = await fill(store, ["a"]);
    const slow = store.watch({ prefix: "" }, { fromRevision: first })[Symbol.asyncIterator]();
    assert.equal((await slow.next()).done, false);
    for (let index = 0; index < lag.writes; index++) {
      await store.transact({ success: [put(`k/${index}`, value)] });
    }
    const last = await fill(store, ["last"]);
    await store.compact(last);
    await rejectsWith("MESH_STORE_COMPACTED", () => take(store, { prefix: "" }, first, 1));
    await rejectsWith("MESH_STORE_COMPACTED", async () => {
      for (;;) if ((await slow.next()).done) return;
    });
  });

  test("a watcher of another range is not cut by compaction", async ({ store }) => {
    const quiet = store.watch({ prefix: "quiet/" })[Symbol.asyncIterator]();
    const first = quiet.next();
    await fill(store, ["quiet/0"]);
    // Before its first batch it may still be on its way to the store, where compaction cuts it.
    await first;
    const waiting = quiet.next();
    const last = await fill(store, ["noise/1", "noise/2"]);
    await store.compact(last);
    const revision = await fill(store, ["quiet/1"]);
    const { value } = await waiting;
    assert.equal(value?.revision, revision);
    await quiet.return?.();
  });

  test("closing the store ends its watchers with an error", async ({ store }) => {
    const waiting = take(store, { prefix: "" }, 1000, 1);
    const outcome = waiting.then(
      () => undefined,
      (error: unknown) => error,
    );
    await store.close();
    assert.ok(isMeshError(await outcome, "MESH_STORE_CLOSED"));
  });
}

function firstKey(batch: WatchBatch): string | undefined {
  const [event] = batch.events;
  return event?.type === "put" ? event.entry.key : event?.key;
}
