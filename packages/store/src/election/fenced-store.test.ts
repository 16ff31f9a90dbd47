import { isMeshError } from "@hearthmesh/core";
import { ManualClock } from "@hearthmesh/core/testing";
import { describe, expect, it, vi } from "vitest";
import { memoryStore } from "../memory/memory-store.js";
import { expectExists, put } from "../operations.js";
import type { Compare } from "../types.js";
import { fencedStore } from "./fenced-store.js";

const VALUE = new Uint8Array([1]);

async function setUp() {
  const store = memoryStore({ clock: new ManualClock() });
  const { revision } = await store.transact({ success: [put("leader", VALUE)] });
  const guard: Compare = { key: "leader", target: "modRevision", is: "=", value: revision };
  const onFenced = vi.fn();
  return { store, guard, onFenced, fenced: fencedStore(store, () => guard, { onFenced }) };
}

const hasCode = (code: string) => (error: unknown) => isMeshError(error) && error.code === code;

describe("fencedStore", () => {
  it("lets everything through while the guard holds", async () => {
    const { store, fenced, onFenced } = await setUp();
    const lease = await fenced.grantLease(1000);
    expect((await fenced.transact({ success: [put("a", VALUE, lease.id)] })).succeeded).toBe(true);
    expect(await fenced.get("a")).toEqual(await store.get("a"));
    expect((await fenced.range({ prefix: "" })).entries).toHaveLength(2);
    expect(await fenced.status()).toEqual(await store.status());
    for await (const batch of fenced.watch({ prefix: "a" }, { fromRevision: 3 })) {
      expect(batch.revision).toBe(3);
      break;
    }
    await fenced.compact(3);
    expect((await store.status()).compactedRevision).toBe(3);
    expect(onFenced).not.toHaveBeenCalled();
  });

  it("refuses writes once it is replaced, tells its owner, and still reads", async () => {
    const { store, guard, fenced, onFenced } = await setUp();
    await store.transact({ success: [put("leader", VALUE)] });
    const write = fenced.transact({ compare: [expectExists("a")], success: [put("a", VALUE)] });
    await expect(write).rejects.toSatisfy(hasCode("MESH_EPOCH_OLD"));
    expect(onFenced).toHaveBeenCalledExactlyOnceWith(guard);
    expect(await fenced.get("a")).toBeUndefined();
    await fenced.close();
    await expect(store.get("a")).rejects.toSatisfy(hasCode("MESH_STORE_CLOSED"));
  });

  it("passes on what asking for the guard throws, and takes no second guard", async () => {
    const { store, guard, fenced, onFenced } = await setUp();
    const failing = fencedStore(store, () => {
      throw new Error("not the leader");
    });
    await expect(failing.transact({ success: [put("a", VALUE)] })).rejects.toThrow(
      "not the leader",
    );
    const twice = fenced.transact({ guard, success: [put("a", VALUE)] });
    await expect(twice).rejects.toSatisfy(hasCode("MESH_BAD_REQUEST"));
    expect(await store.get("a")).toBeUndefined();
    expect(onFenced).not.toHaveBeenCalled();
  });
});
