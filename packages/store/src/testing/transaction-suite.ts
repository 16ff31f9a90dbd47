import assert from "node:assert/strict";
import {
  expectExists,
  expectMissing,
  expectRevision,
  put,
  read,
  remove,
  removeRange,
} from "../operations.js";
import type { Compare } from "../types.js";
import { bytes, type DeclareTest, fill, keysIn, rejectsWith, textOf } from "./harness.js";

export function transactionSuite(test: DeclareTest): void {
  test("a put makes a key, counts its versions and moves the revision by one", async ({
    store,
  }) => {
    const first = await store.transact({ success: [put("a", bytes("1"))] });
    const second = await store.transact({ success: [put("a", bytes("2"))] });
    assert.equal(second.revision, first.revision + 1);
    assert.deepEqual(await store.get("a"), {
      key: "a",
      value: bytes("2"),
      createRevision: first.revision,
      modRevision: second.revision,
      version: 2,
      leaseId: 0,
    });
  });

  test("a transaction that writes nothing leaves the revision", async ({ store }) => {
    const before = await fill(store, ["a"]);
    const result = await store.transact({ success: [read("a"), remove("missing")] });
    assert.equal(result.revision, before);
    assert.deepEqual(result.results[1], { type: "delete", deleted: 0 });
    assert.equal((await store.transact({ success: [] })).revision, before);
  });

  test("all writes of a transaction have one revision", async ({ store }) => {
    const { revision } = await store.transact({
      success: [put("a", bytes("1")), put("b", bytes("2"))],
    });
    const entries = (await store.range({ prefix: "" })).entries;
    assert.deepEqual(
      entries.map((entry) => entry.modRevision),
      [revision, revision],
    );
  });

  test("a compare that fails takes the other branch", async ({ store }) => {
    await fill(store, ["a"]);
    const result = await store.transact({
      compare: [expectMissing("a")],
      success: [put("a", bytes("never"))],
      failure: [read("a"), put("b", bytes("instead"))],
    });
    assert.equal(result.succeeded, false);
    const [found] = result.results;
    assert.equal(found?.type === "get" ? textOf(found.entry) : "", "value of a");
    assert.deepEqual(await keysIn(store, { prefix: "" }), ["a", "b"]);
  });

  test("a failing compare without another branch does nothing", async ({ store }) => {
    const before = await fill(store, ["a"]);
    const result = await store.transact({
      compare: [expectExists("a"), expectExists("b")],
      success: [remove("a")],
    });
    assert.deepEqual(result, { succeeded: false, revision: before, results: [] });
  });

  test("every comparison means what it says, also for a missing key", async ({ store }) => {
    const made = await fill(store, ["a"]);
    const modified = await fill(store, ["a"]);
    const holds = async (compare: Compare) =>
      (await store.transact({ compare: [compare], success: [] })).succeeded;
    const expected: [Compare, boolean][] = [
      [expectRevision("a", modified), true],
      [expectRevision("a", made), false],
      [{ key: "a", target: "createRevision", is: "=", value: made }, true],
      [{ key: "a", target: "version", is: ">", value: 1 }, true],
      [{ key: "a", target: "version", is: ">", value: 2 }, false],
      [{ key: "a", target: "version", is: "<", value: 3 }, true],
      [{ key: "a", target: "modRevision", is: "!=", value: made }, true],
      [{ key: "a", target: "value", is: "=", value: bytes("value of a") }, true],
      [{ key: "a", target: "value", is: "=", value: bytes("value of") }, false],
      [{ key: "a", target: "value", is: "!=", value: bytes("other") }, true],
      [expectRevision("missing", 0), true],
      [{ key: "missing", target: "version", is: "<", value: 1 }, true],
      [{ key: "missing", target: "value", is: "=", value: new Uint8Array(0) }, false],
      [{ key: "missing", target: "value", is: "!=", value: bytes("x") }, true],
    ];
    for (const [compare, answer] of expected) {
      assert.equal(await holds(compare), answer, JSON.stringify(compare));
    }
  });

  test("an operation sees the ones before it", async ({ store }) => {
    const { results } = await store.transact({
      success: [read("a"), put("a", bytes("1")), read("a"), removeRange({ prefix: "b" })],
    });
    assert.deepEqual(results[0], { type: "get", entry: undefined });
    const seen = results[2];
    assert.equal(seen?.type === "get" ? textOf(seen.entry) : "", "1");
  });

  test("a key that is deleted and made again starts at version 1", async ({ store }) => {
    await fill(store, ["a", "a"]);
    await store.transact({ success: [remove("a")] });
    assert.equal(await store.get("a"), undefined);
    const again = await fill(store, ["a"]);
    const entry = await store.get("a");
    assert.deepEqual([entry?.version, entry?.createRevision], [1, again]);
  });

  test("a range is deleted in one transaction, which tells how many", async ({ store }) => {
    await fill(store, ["a/1", "a/2", "a0", "b"]);
    const { results } = await store.transact({ success: [removeRange({ prefix: "a/" })] });
    assert.deepEqual(results, [{ type: "delete", deleted: 2 }]);
    assert.deepEqual(await keysIn(store, { prefix: "" }), ["a0", "b"]);
  });

  test("of many that expect a missing key, exactly one succeeds", async ({ store }) => {
    const attempts = Array.from({ length: 100 }, (_, index) =>
      store.transact({
        compare: [expectMissing("lock")],
        success: [put("lock", bytes(`${index}`))],
      }),
    );
    const winners = (await Promise.all(attempts)).filter((result) => result.succeeded);
    assert.equal(winners.length, 1);
    assert.equal((await store.get("lock"))?.version, 1);
  });

  test("increments that race lose nothing when they retry", async ({ store }) => {
    await store.transact({ success: [put("counter", bytes("0"))] });
    const increment = async () => {
      for (;;) {
        const entry = await store.get("counter");
        const result = await store.transact({
          compare: [expectRevision("counter", entry?.modRevision ?? 0)],
          success: [put("counter", bytes(`${Number(textOf(entry)) + 1}`))],
        });
        if (result.succeeded) return;
      }
    };
    await Promise.all(Array.from({ length: 16 }, increment));
    assert.equal(textOf(await store.get("counter")), "16");
  });

  test("a refused transaction does not disturb its neighbours", async ({ store }) => {
    const tooEarly = { type: "put", key: "b", value: bytes("x"), leaseId: 999 } as const;
    const [first, refused, last] = await Promise.allSettled([
      store.transact({ success: [put("a", bytes("1"))] }),
      store.transact({ success: [put("c", bytes("1")), tooEarly] }),
      store.transact({ success: [put("d", bytes("1"))] }),
    ]);
    assert.deepEqual(
      [first.status, refused.status, last.status],
      ["fulfilled", "rejected", "fulfilled"],
    );
    assert.deepEqual(await keysIn(store, { prefix: "" }), ["a", "d"]);
  });

  test("a key is written at most once in a branch", async ({ store }) => {
    const twice = [put("a", bytes("1")), put("a", bytes("2"))];
    const both = [put("a", bytes("1")), remove("a")];
    const inside = [put("a/b", bytes("1")), removeRange({ prefix: "a/" })];
    for (const success of [twice, both, inside]) {
      await rejectsWith("MESH_BAD_REQUEST", () => store.transact({ success }));
      await rejectsWith("MESH_BAD_REQUEST", () =>
        store.transact({ success: [], failure: success }),
      );
    }
    assert.equal(await store.get("a"), undefined);
  });
}
