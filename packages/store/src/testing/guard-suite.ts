import assert from "node:assert/strict";
import { limits } from "@hearthmesh/core";
import { expectExists, expectMissing, put, read, remove } from "../operations.js";
import type { Compare } from "../types.js";
import { bytes, type DeclareTest, fill, keysIn, rejectsWith, textOf } from "./harness.js";

function madeAt(key: string, createRevision: number): Compare {
  return { key, target: "createRevision", is: "=", value: createRevision };
}

/** The guard of a transaction: what fences a replaced leader. */
export function guardSuite(test: DeclareTest): void {
  test("a guard that holds changes nothing about the transaction", async ({ store }) => {
    const guard = madeAt("leader", await fill(store, ["leader"]));
    const made = await store.transact({ guard, success: [put("a", bytes("1")), read("a")] });
    assert.equal(made.succeeded, true);
    assert.deepEqual(made.results[0], { type: "put" });
    assert.equal(made.results[1]?.type === "get" ? textOf(made.results[1].entry) : "", "1");
    const refused = await store.transact({
      guard,
      compare: [expectMissing("a")],
      success: [remove("a")],
      failure: [put("b", bytes("instead"))],
    });
    assert.deepEqual(refused, {
      succeeded: false,
      revision: made.revision + 1,
      results: [{ type: "put" }],
    });
    assert.deepEqual(await keysIn(store, { prefix: "" }), ["a", "b", "leader"]);
  });

  test("a guard that does not hold refuses both branches", async ({ store }) => {
    const before = await fill(store, ["leader"]);
    const guard = madeAt("leader", before + 1);
    const success = [put("a", bytes("1"))];
    const failure = [put("b", bytes("1"))];
    await rejectsWith("MESH_EPOCH_OLD", () => store.transact({ guard, success, failure }));
    await rejectsWith("MESH_EPOCH_OLD", () =>
      store.transact({ guard, compare: [expectExists("none")], success, failure }),
    );
    await rejectsWith("MESH_EPOCH_OLD", () => store.transact({ guard, success: [] }));
    await rejectsWith("MESH_EPOCH_OLD", () => store.transact({ guard, success: [read("leader")] }));
    assert.deepEqual(await keysIn(store, { prefix: "" }), ["leader"]);
    assert.equal((await store.status()).revision, before);
  });

  test("a guard sees a key that was deleted and made again as another one", async ({ store }) => {
    const guard = madeAt("leader", (await fill(store, ["leader", "leader"])) - 1);
    assert.ok((await store.transact({ guard, success: [put("a", bytes("1"))] })).succeeded);
    await store.transact({ success: [remove("leader")] });
    const write = () => store.transact({ guard, success: [put("a", bytes("2"))] });
    await rejectsWith("MESH_EPOCH_OLD", write);
    await fill(store, ["leader"]);
    await rejectsWith("MESH_EPOCH_OLD", write);
    assert.equal(textOf(await store.get("a")), "1");
  });

  test("a guard may compare a value, and a missing key", async ({ store }) => {
    const success = [put("a", bytes("1"))];
    await fill(store, ["k"]);
    const guards: [Compare, boolean][] = [
      [{ key: "k", target: "value", is: "=", value: bytes("value of k") }, true],
      [{ key: "k", target: "value", is: "=", value: bytes("other") }, false],
      [{ key: "k", target: "version", is: ">", value: 1 }, false],
      [expectMissing("none"), true],
      [expectExists("none"), false],
    ];
    for (const [guard, holds] of guards) {
      if (holds) assert.ok((await store.transact({ guard, success })).succeeded);
      else await rejectsWith("MESH_EPOCH_OLD", () => store.transact({ guard, success }));
    }
  });

  test("of writes sent together, those after the change of leader are refused", async (subject) => {
    const { store } = subject;
    const guard = madeAt("leader", await fill(store, ["leader"]));
    const sent = [
      store.transact({ guard, success: [put("a", bytes("1"))] }),
      store.transact({ success: [remove("leader")] }),
      store.transact({ guard, success: [put("b", bytes("1"))] }),
      store.transact({ success: [put("c", bytes("1"))] }),
    ];
    const [before, taken, after, other] = await Promise.allSettled(sent);
    assert.equal(taken?.status, "fulfilled");
    assert.equal(other?.status, "fulfilled");
    // Engines that send over a network may reorder: the guard decides, whatever the order was.
    const kept = await keysIn(store, { prefix: "" });
    assert.equal(kept.includes("a"), before?.status === "fulfilled");
    assert.equal(kept.includes("b"), after?.status === "fulfilled");
    await rejectsWith("MESH_EPOCH_OLD", () =>
      store.transact({ guard, success: [put("d", bytes("1"))] }),
    );
    assert.equal(await store.get("d"), undefined);
  });

  test("a guard is checked like a compare, and not counted as one", async ({ store }) => {
    const guard = madeAt("leader", await fill(store, ["leader"]));
    const size = limits.STORE_TXN_OPERATIONS_MAX;
    const compare = Array.from({ length: size }, (_, index) => expectMissing(`none/${index}`));
    const success = Array.from({ length: size }, (_, index) => put(`k/${index}`, bytes("1")));
    assert.ok((await store.transact({ guard, compare, success })).succeeded);
    await rejectsWith("MESH_STORE_KEY_INVALID", () =>
      store.transact({ guard: expectMissing(""), success: [] }),
    );
    for (const value of [-1, 1.5, Number.NaN]) {
      await rejectsWith("MESH_BAD_REQUEST", () =>
        store.transact({ guard: madeAt("leader", value), success: [] }),
      );
    }
    await rejectsWith("MESH_STORE_VALUE_TOO_LARGE", () =>
      store.transact({
        guard: {
          key: "leader",
          target: "value",
          is: "=",
          value: new Uint8Array(limits.STORE_VALUE_BYTES_MAX + 1),
        },
        success: [],
      }),
    );
  });
}
