/** A storage node that was away for a month, and comes back with what it had then. */
import type { ChunkId } from "@hearthmesh/core";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { replicaSet } from "../storage/placement.js";
import type { MemoryNode } from "./testing/memory-node.js";
import { bytesOf, World } from "./testing/world.js";

/**
 * Steady time without it: longer than every time that the coordinator knows of, which a month is
 * too; more of it would only be more turns of the clock of this test.
 */
const AWAY_MS = 2 * 3_600_000;
const FILES = 40;

let world: World;
let old: MemoryNode;
beforeEach(async () => {
  world = await World.start({ nodes: 4 });
  const [first] = world.nodes;
  if (first === undefined) throw new Error("the world is too small");
  old = first;
  for (let at = 0; at < FILES; at++) await world.put(`/f${at}`, bytesOf(4000, at));
});
afterEach(() => world.stop());

const referenced = async () => (await world.rows("r/")).map((key) => key.slice(2, 66) as ChunkId);
const holders = (id: ChunkId) => world.nodes.filter((one) => one.chunks.has(id));
const names = async () => {
  const { entries } = await world.call<{ entries: { name: string }[] }>("file.list", { path: "/" });
  return entries.map(({ name }) => name);
};

/** What happens without it: half of the files go, the others stay, the layout and epoch change. */
async function monthWithout(): Promise<void> {
  await world.disconnect(old);
  await world.clock.advance(AWAY_MS / 2);
  await world.runWorker("repair");
  for (let at = 0; at < FILES / 2; at++) await world.call("file.remove", { path: `/f${at}` });
  await world.addNode();
  world.overrides = { epoch: 7 };
  const present = world.nodes.filter((one) => one !== old);
  await world.restart();
  // The one that is away did not hear of it.
  await world.disconnect(old);
  expect(present.every((one) => one.link?.isOpen)).toBe(true);
  await world.clock.advance(AWAY_MS / 2);
  for (let run = 0; run < 3; run++) {
    for (const name of ["trash", "garbage", "repair", "garbage"]) await world.runWorker(name);
    await world.clock.advance(120_000);
  }
}

describe("a node that comes back after a month", () => {
  it("brings no file back, and its chunks that are still wanted count again", async () => {
    const had = new Map(old.chunks);
    await monthWithout();
    const wanted = await referenced();
    expect(wanted).toHaveLength(FILES / 2);
    const before = await names();
    const copied: string[] = [];
    old.onServe = (method) => {
      if (method === "chunk.copy") copied.push(method);
    };
    await world.connect(old);
    expect(old.chunks.size).toBe(had.size);
    await world.runWorker("repair");
    // What it has and should have is there again at once, without being copied.
    const layout = world.coordinator.layout();
    const its = wanted.filter((id) => replicaSet(layout, id).includes(old.nodeId));
    expect(its.filter((id) => !had.has(id)).length === 0).toBe(copied.length === 0);
    for (const id of its) expect(old.chunks.has(id)).toBe(true);
    await world.clock.advance(120_000);
    for (const name of ["garbage", "repair", "garbage"]) await world.runWorker(name);
    for (const id of wanted) {
      const where = holders(id).map((one) => one.nodeId);
      expect(where.sort()).toEqual([...replicaSet(layout, id)].sort());
    }
    // The chunks of removed files are gone from it too, and no name is back.
    for (const id of old.chunks.keys()) expect(wanted).toContain(id);
    expect(await names()).toEqual(before);
    expect(world.coordinator.replicationState()).toMatchObject({
      chunks: wanted.length,
      underReplicated: 0,
    });
  });

  it("with damaged or lost chunks gets new ones, and nobody loses a copy for it", async () => {
    await monthWithout();
    old.chunks.clear();
    let least = Number.POSITIVE_INFINITY;
    const wanted = await referenced();
    for (const one of world.nodes) {
      one.onServe = () => {
        least = Math.min(least, ...wanted.map((id) => holders(id).length));
      };
    }
    await world.connect(old);
    for (let walk = 0; walk < 3; walk++) await world.runWorker("repair");
    expect(least).toBe(3);
    expect(world.coordinator.replicationState()).toMatchObject({ underReplicated: 0 });
  });

  it("is not taken for one that drains, whatever layout it remembers", async () => {
    await world.call("layout.drain", { node: "node-4" });
    await monthWithout();
    await world.connect(old);
    const state = world.coordinator.nodes().find(({ name }) => name === old.name)?.state;
    expect(state).toBe("online");
    const [, , , drained] = world.nodes;
    expect(drained?.chunks.size).toBe(0);
  });
});
