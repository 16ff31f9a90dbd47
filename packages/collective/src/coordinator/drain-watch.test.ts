import type { ChunkId, NodeId } from "@hearthmesh/core";
import { beforeEach, describe, expect, it } from "vitest";
import { DrainWatch } from "./drain-watch.js";

const attic = "attic" as NodeId;
const cellar = "cellar" as NodeId;

let leaving: NodeId[];
let wakes: number;
let watch: DrainWatch;
beforeEach(() => {
  leaving = [attic];
  wakes = 0;
  const onLeft = () => {
    wakes++;
  };
  watch = new DrainWatch({ leaving: () => leaving, onLeft });
});

/** A walk that finds so many chunks on the attic; `before` happens right before its end. */
function walk(count: number, before: () => void = () => undefined, looked = [attic, cellar]) {
  const observation = watch.observe([attic, cellar]);
  for (let at = 0; at < count; at++) {
    observation.see({
      id: String(at) as ChunkId,
      referenced: true,
      holders: new Set([attic, cellar]),
      looked: new Set(looked),
    });
  }
  // What nobody refers to is not given away: it is garbage.
  const garbage = { id: "x" as ChunkId, referenced: false, holders: new Set([attic]) };
  observation.see({ ...garbage, looked: new Set(looked) });
  before();
  observation.end();
}

describe("the watch over drains", () => {
  it("knows nothing before the first walk, then how much is left, then that it is done", () => {
    expect(watch.progress(attic)).toEqual({ drained: false });
    walk(5);
    expect(watch.progress(attic)).toEqual({ chunksLeft: 5, drained: false });
    expect(watch.isUnfinished).toBe(true);
    walk(0);
    expect(watch.progress(attic)).toEqual({ chunksLeft: 0, drained: true });
    expect(watch.isUnfinished).toBe(false);
    expect(wakes).toBe(1);
  });

  it("believes no walk that the node was given back in, or began before its drain", () => {
    walk(0, () => watch.forget(attic));
    expect(watch.progress(attic)).toEqual({ drained: false });
    leaving = [];
    walk(0, () => {
      leaving = [attic];
    });
    expect(watch.progress(attic)).toEqual({ drained: false });
    walk(3, () => {
      leaving = [];
    });
    expect(watch.progress(attic)).toEqual({ drained: false });
    expect(wakes).toBe(0);
  });

  it("believes no walk in which the node's list broke off", () => {
    walk(2, undefined, [cellar]);
    expect(watch.progress(attic)).toEqual({ drained: false });
  });

  it("asks for another walk while they help, and not for ever when they do not", () => {
    for (const left of [9, 8, 7]) walk(left);
    expect(wakes).toBe(3);
    for (let turn = 0; turn < 10; turn++) walk(7);
    expect(wakes).toBe(5);
    walk(6);
    expect(wakes).toBe(6);
  });
});
