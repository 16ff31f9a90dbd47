import type { ChunkId } from "@hearthmesh/core";
import { turns } from "@hearthmesh/core/testing";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { replicaSet } from "../../storage/placement.js";
import type { MemoryNode } from "../testing/memory-node.js";
import { bytesOf, World } from "../testing/world.js";

const FILES = 40;

let world: World;
let nodes: MemoryNode[];
beforeEach(async () => {
  world = await World.start({ nodes: 3 });
  nodes = world.nodes;
});
afterEach(() => world.stop());

function node(index: number): MemoryNode {
  const found = nodes[index];
  if (found === undefined) throw new Error("the world is too small");
  return found;
}

async function putFiles(count = FILES): Promise<void> {
  for (let at = 0; at < count; at++) await world.put(`/f${at}`, bytesOf(4000, at));
  await turns();
}

/** Every chunk that files refer to. */
async function referenced(): Promise<ChunkId[]> {
  return (await world.rows("r/")).map((key) => key.slice(2, 66) as ChunkId);
}

/** Chunks are on the nodes that the layout names and on no other. */
async function expectPlaced(): Promise<void> {
  const layout = world.coordinator.layout();
  for (const id of await referenced()) {
    const holders = nodes.filter((one) => one.chunks.has(id)).map((one) => one.nodeId);
    expect(holders.sort()).toEqual([...replicaSet(layout, id)].sort());
  }
}

describe("the walk", () => {
  it("knows nothing before it has ended, and the truth afterwards", async () => {
    await putFiles();
    expect(world.coordinator.replicationState()).toBeUndefined();
    await world.runWorker("repair");
    expect(world.coordinator.replicationState()).toEqual({
      chunks: FILES,
      fullyReplicated: FILES,
      underReplicated: 0,
      unavailable: 0,
      failed: 0,
      lastWalkMs: world.clock.nowMs(),
      layoutVersion: world.coordinator.layout().version,
      lost: [],
    });
  });

  it("counts what is on a node that is away as missing", async () => {
    await putFiles();
    await world.disconnect(node(0));
    await world.runWorker("repair");
    const state = world.coordinator.replicationState();
    expect(state).toMatchObject({ fullyReplicated: 0, underReplicated: FILES, unavailable: 0 });
    await world.disconnect(node(1));
    await world.disconnect(node(2));
    await world.runWorker("repair");
    expect(world.coordinator.replicationState()).toEqual(state);
  });

  it("brings back what a node lost, with tickets that the sources accept", async () => {
    await putFiles();
    node(1).chunks.clear();
    await world.runWorker("repair");
    expect(node(1).chunks.size).toBe(FILES);
    expect(world.coordinator.replicationState()).toMatchObject({
      fullyReplicated: FILES,
      underReplicated: 0,
    });
    const repair = world.coordinator.workers().find((one) => one.name === "repair");
    expect(repair?.inspect()).toMatchObject({ done: FILES, errors: 0, state: "idle" });
  });

  it("says so when there is no copy left anywhere", async () => {
    await putFiles(3);
    const [lost] = await referenced();
    for (const one of nodes) one.chunks.delete(lost as ChunkId);
    await world.runWorker("repair");
    expect(world.coordinator.replicationState()).toMatchObject({
      chunks: 3,
      underReplicated: 1,
      unavailable: 1,
    });
  });

  it("counts a copy that failed, and gets it the next time", async () => {
    await putFiles();
    node(1).chunks.clear();
    node(1).onServe = (method) => {
      if (method === "chunk.copy") throw new Error("the disk is slow");
    };
    await world.runWorker("repair");
    expect(world.coordinator.replicationState()).toMatchObject({ underReplicated: FILES });
    node(1).onServe = () => undefined;
    await world.runWorker("repair");
    expect(world.coordinator.replicationState()).toMatchObject({ underReplicated: 0 });
  });

  it("goes on without a node whose list breaks off, and deletes nothing for it", async () => {
    await putFiles();
    node(1).onServe = (method) => {
      if (method === "chunk.list") throw new Error("the index is broken");
    };
    await world.runWorker("repair");
    expect(world.coordinator.replicationState()).toMatchObject({
      chunks: FILES,
      underReplicated: FILES,
      unavailable: 0,
    });
    expect(node(1).chunks.size).toBe(FILES);
  });
});

describe("a walk that is under way when a node counts as lost", () => {
  it("begins anew, so that its chunks are copied at once", async () => {
    await world.stop();
    // Less than a node has to answer.
    world = await World.start({ nodes: 4, intervals: { nodeLostMs: 5_000 } });
    nodes = world.nodes;
    await putFiles(60);
    const chunks = await referenced();
    const gone = node(3);
    await world.disconnect(gone);
    let lists = 0;
    node(0).onServe = async (method) => {
      // The first list takes as long as it takes to lose a node.
      if (method === "chunk.list" && lists++ === 0) await world.clock.advance(5_001);
    };
    let isDone = false;
    const done = world.runWorker("repair").then(() => {
      isDone = true;
    });
    // The worker rests in proportion to the time that it took.
    while (!isDone) await world.clock.advance(1_000);
    await done;
    const state = world.coordinator.replicationState();
    expect(state).toMatchObject({ lost: [gone.nodeId], underReplicated: 0 });
    for (const id of chunks) {
      expect(nodes.filter((one) => one !== gone && one.chunks.has(id))).toHaveLength(3);
    }
    expect(lists).toBe(2);
  });
});

describe("a change of the layout", () => {
  it("moves chunks to a node that joins, and only then takes them from the others", async () => {
    await putFiles();
    const fourth = await world.addNode();
    fourth.onServe = (method) => {
      if (method === "chunk.copy") throw new Error("not yet");
    };
    await world.runWorker("repair");
    for (const index of [0, 1, 2]) expect(node(index).chunks.size).toBe(FILES);
    fourth.onServe = () => undefined;
    await world.runWorker("repair");
    await world.runWorker("repair");
    expect(fourth.chunks.size).toBeGreaterThan(0);
    await expectPlaced();
  });

  it("empties a node that is taken out", async () => {
    const fourth = await world.addNode();
    await putFiles();
    expect(fourth.chunks.size).toBeGreaterThan(0);
    await world.coordinator.removeNode("node-4");
    await world.runWorker("repair");
    await world.runWorker("repair");
    expect(fourth.chunks.size).toBe(0);
    await expectPlaced();
    expect(world.coordinator.replicationState()).toMatchObject({ underReplicated: 0 });
  });

  it("keeps a copy in the wrong place while a right one is not there", async () => {
    const fourth = await world.addNode();
    await putFiles();
    const before = fourth.chunks.size;
    await world.coordinator.removeNode("node-4");
    await world.disconnect(node(0));
    await world.runWorker("repair");
    expect(fourth.chunks.size).toBe(before);
  });

  it("looks again right before it removes a copy", async () => {
    await putFiles();
    const extra = await world.addNode();
    await world.runWorker("repair");
    const [id] = [...extra.chunks.keys()];
    const holders = nodes.filter((one) => one !== extra && one.chunks.has(id as ChunkId));
    // Its copies vanish between the walk and the removal: chunk.list is asked a second time.
    const set = replicaSet(world.coordinator.layout(), id as ChunkId);
    const outside = holders.find((one) => !set.includes(one.nodeId));
    const inside = holders.find((one) => set.includes(one.nodeId));
    if (outside === undefined || inside === undefined) throw new Error("the chunk is not moved");
    let lists = 0;
    inside.onServe = (method) => {
      if (method === "chunk.list" && ++lists === 2) inside.chunks.delete(id as ChunkId);
    };
    await world.runWorker("repair");
    expect(outside.chunks.has(id as ChunkId)).toBe(true);
  });
});

describe("a node that is lost", () => {
  it("is replaced by others after a while, and has its part again when it is back", async () => {
    await world.addNode();
    await putFiles();
    await world.disconnect(node(0));
    await world.runWorker("repair");
    expect(world.coordinator.replicationState()?.underReplicated).toBeGreaterThan(0);
    await world.clock.advance(900_001);
    await world.runWorker("repair");
    expect(world.coordinator.replicationState()).toMatchObject({ underReplicated: 0 });
    await world.connect(node(0));
    await world.runWorker("repair");
    await world.runWorker("repair");
    await expectPlaced();
  });
});

describe("the repair queue", () => {
  it("completes what was acknowledged early, and is empty then", async () => {
    await world.disconnect(node(2));
    await putFiles(5);
    await world.upload("/large", [bytesOf(1 << 20, 1), bytesOf(9, 2)], nodes.slice(0, 2));
    expect(await world.rows("q/")).toHaveLength(6);
    await world.runWorker("repair-queue");
    expect(await world.rows("q/")).toHaveLength(6);
    expect(world.coordinator.status().repairQueue).toBe(7);
    await world.connect(node(2));
    await world.runWorker("repair-queue");
    expect(await world.rows("q/")).toEqual([]);
    expect(node(2).chunks.size).toBe(7);
    expect(world.coordinator.status().repairQueue).toBe(0);
  });

  it("keeps of a row what could not be copied", async () => {
    await world.upload("/large", [bytesOf(1 << 20, 1), bytesOf(9, 2)], nodes.slice(0, 2));
    const [first] = await referenced();
    for (const one of nodes) one.chunks.delete(first as ChunkId);
    await world.runWorker("repair-queue");
    expect(node(2).chunks.size).toBe(1);
    expect(await world.rows("q/")).toHaveLength(1);
    node(0).chunks.set(first as ChunkId, bytesOf(9, 2));
    await world.runWorker("repair-queue");
    expect(await world.rows("q/")).toEqual([]);
  });

  it("forgets files that are gone", async () => {
    await world.disconnect(node(2));
    await putFiles(2);
    await world.call("file.remove", { path: "/f0" });
    await world.call("file.remove", { path: "/f1" });
    await world.clock.advance(60_000);
    await world.runWorker("garbage");
    await world.connect(node(2));
    await world.runWorker("repair-queue");
    expect(await world.rows("q/")).toEqual([]);
    expect(node(2).chunks.size).toBe(0);
  });
});

describe("by themselves", () => {
  it("the workers repair when a node comes back", async () => {
    const intervals = { settleMs: 1_000, queueMs: 5_000, repairMs: 600_000 };
    const alive = await World.start({ nodes: 3, intervals });
    const [, , third] = alive.nodes;
    if (third === undefined) throw new Error("the world is too small");
    await alive.disconnect(third);
    for (let at = 0; at < 5; at++) await alive.put(`/f${at}`, bytesOf(4000, at));
    await alive.connect(third);
    await alive.clock.advance(1_500);
    expect(third.chunks.size).toBe(5);
    await alive.clock.advance(1_500);
    expect(alive.coordinator.replicationState()).toMatchObject({ chunks: 5, underReplicated: 0 });
    await alive.stop();
    expect(alive.coordinator.workers().every((one) => one.state === "stopped")).toBe(true);
  });
});
