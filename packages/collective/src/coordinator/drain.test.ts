import type { ChunkId } from "@hearthmesh/core";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { replicaSet } from "../storage/placement.js";
import type { NodeInfo } from "../types.js";
import type { DrainAnswer, LayoutOverview } from "./layout-desk.js";
import type { RemovalFacts } from "./removal-check.js";
import type { MemoryNode } from "./testing/memory-node.js";
import { bytesOf, World } from "./testing/world.js";

const FILES = 60;
const SIZE = 4000;

let world: World;
beforeEach(async () => {
  world = await World.start({ nodes: 4 });
  for (let at = 0; at < FILES; at++) await world.put(`/f${at}`, bytesOf(SIZE, at));
});
afterEach(() => world.stop());

function node(index: number): MemoryNode {
  const found = world.nodes[index];
  if (found === undefined) throw new Error("the world is too small");
  return found;
}

async function referenced(): Promise<ChunkId[]> {
  return (await world.rows("r/")).map((key) => key.slice(2, 66) as ChunkId);
}

const copiesOf = (id: ChunkId) => world.nodes.filter((one) => one.chunks.has(id)).length;
const info = (name: string): NodeInfo | undefined =>
  world.coordinator.nodes().find((one) => one.name === name);
const drain = (name: string, force = false) =>
  world.call<DrainAnswer>("layout.drain", { node: name, force });
const removal = (name: string) => world.call<RemovalFacts>("layout.removal", { node: name });

/** Walks until there is nothing left to do, as the woken worker would. */
async function settle(): Promise<void> {
  for (let walk = 0; walk < 3; walk++) await world.runWorker("repair");
}

describe("a drain", () => {
  it("empties a node while every chunk keeps the copies that it should have", async () => {
    const held = node(3).chunks.size;
    expect(held).toBeGreaterThan(0);
    // Its next report: it says how many chunks there are.
    await node(3).register();
    const { preview, node: begun } = await drain("node-4");
    expect(begun.state).toBe("draining");
    expect(info("node-4")).toMatchObject({ state: "draining" });
    expect(info("node-4")?.drainChunksLeft).toBeUndefined();
    // At no moment of a walk are there fewer copies than wanted.
    const ids = await referenced();
    let least = Number.POSITIVE_INFINITY;
    for (const one of world.nodes) {
      one.onServe = () => {
        least = Math.min(least, ...ids.map(copiesOf));
      };
    }
    await world.runWorker("repair");
    expect(info("node-4")).toMatchObject({ state: "draining", drainChunksLeft: held });
    await settle();
    expect(least).toBe(3);
    expect(node(3).chunks.size).toBe(0);
    expect(info("node-4")).toMatchObject({ state: "drained", drainChunksLeft: 0 });
    const after = preview?.nodes.find(({ name }) => name === "node-4");
    expect(after).toMatchObject({ loses: { chunks: held, bytes: held * SIZE } });
    expect(await removal("node-4")).toEqual({ chunksHeld: 0, onlyCopies: 0, isPartial: false });
    expect((await world.coordinator.removeNode("node-4")).name).toBe("node-4");
    for (const id of ids) expect(copiesOf(id)).toBe(3);
  });

  it("gives the node nothing new, and no ticket for it", async () => {
    await drain("node-4");
    const before = node(3).chunks.size;
    for (let at = 0; at < 20; at++) await world.put(`/new${at}`, bytesOf(SIZE, 1000 + at));
    expect(node(3).chunks.size).toBe(before);
    const begun = await world.begin("/large");
    expect(begun.nodes.find(({ name }) => name === "node-4")?.state).toBe("draining");
    const [claims = ""] = begun.ticket.split(".");
    const ticket = JSON.parse(Buffer.from(claims, "base64url").toString("utf8"));
    expect(ticket.nodes).not.toContain(node(3).nodeId);
    expect(ticket.nodes).toHaveLength(3);
  });

  it("can be taken back: the node has its share again", async () => {
    const before = world.coordinator.layout().nodes[0]?.capacityBytes;
    await drain("node-4");
    await settle();
    await world.call("layout.undrain", { node: "node-4" });
    expect(info("node-4")?.state).toBe("online");
    await settle();
    expect(node(3).chunks.size).toBeGreaterThan(0);
    const layout = world.coordinator.layout();
    expect(layout.nodes.map((one) => one.capacityBytes)).toEqual(Array(4).fill(before));
    for (const id of await referenced()) {
      const holders = world.nodes.filter((one) => one.chunks.has(id)).map((one) => one.nodeId);
      expect(holders.sort()).toEqual([...replicaSet(layout, id)].sort());
    }
  });

  it("keeps its word through a restart, a report and a new link of the node", async () => {
    await drain("node-4");
    await world.restart();
    await world.disconnect(node(3));
    expect(info("node-4")?.state).toBe("offline");
    await world.connect(node(3));
    expect(info("node-4")?.state).toBe("draining");
    node(3).capacityBytes = 2 ** 31;
    await node(3).register();
    const placed = world.coordinator.layout().nodes.find(({ name }) => name === "node-4");
    expect(placed).toMatchObject({ capacityBytes: 0, drainingFromBytes: 2 ** 31 });
    await settle();
    expect(info("node-4")?.state).toBe("drained");
  });

  it("is refused without room or with too few nodes, and says why", async () => {
    await drain("node-4");
    await expect(drain("node-3")).rejects.toMatchObject({
      code: "MESH_LAYOUT_UNSAFE",
      message: expect.stringMatching(/2 nodes take chunks/),
    });
    expect(info("node-3")?.state).toBe("online");
    expect((await drain("node-3", true)).node.state).toBe("draining");
  });

  it("is refused when the others have no room", async () => {
    for (const index of [0, 1, 2]) {
      node(index).fullReason = "the disk is full";
      await node(index).register();
    }
    await expect(drain("node-4")).rejects.toMatchObject({
      code: "MESH_LAYOUT_UNSAFE",
      message: expect.stringMatching(/too little room/),
    });
  });

  it("does not count as done before a walk that began after it has looked", async () => {
    await world.runWorker("repair");
    await drain("node-4");
    node(3).chunks.clear();
    expect(info("node-4")?.state).toBe("draining");
    node(3).onServe = (method) => {
      if (method === "chunk.list") throw new Error("the index is broken");
    };
    await world.runWorker("repair");
    expect(info("node-4")?.state).toBe("draining");
    node(3).onServe = () => undefined;
    await world.runWorker("repair");
    expect(info("node-4")?.state).toBe("drained");
  });

  it("is for the operator alone", async () => {
    const carol = world.person("carol", "/:read+write+delete+share");
    for (const method of ["show", "stage", "apply", "revert", "drain", "undrain", "removal"]) {
      await expect(world.callAs(carol, `layout.${method}`, {})).rejects.toMatchObject({
        code: "MESH_FORBIDDEN",
      });
    }
  });
});

describe("a look before a removal", () => {
  it("finds what only that node has, here or away", async () => {
    const ids = await referenced();
    const [lonely, other] = ids.filter((id) => node(0).chunks.has(id));
    for (const one of world.nodes.slice(1)) one.chunks.delete(lonely as ChunkId);
    const held = node(0).chunks.size;
    expect(await removal("node-1")).toEqual({ chunksHeld: held, onlyCopies: 1, isPartial: false });
    expect(await removal("node-2")).toMatchObject({ onlyCopies: 0 });
    await world.disconnect(node(0));
    expect(await removal("node-1")).toEqual({ onlyCopies: 1, isPartial: false });
    for (const one of world.nodes.slice(1)) one.chunks.delete(other as ChunkId);
    expect(await removal("node-1")).toMatchObject({ onlyCopies: 2 });
  });

  it("says when a node could not be asked to the end", async () => {
    node(1).onServe = (method) => {
      if (method === "chunk.list") throw new Error("the index is broken");
    };
    expect(await removal("node-1")).toMatchObject({ isPartial: true });
  });
});

describe("the layout of an operator", () => {
  const stage = (header: object) => world.call<LayoutOverview>("layout.stage", header);

  it("moves exactly what the preview said", async () => {
    await world.addNode("attic");
    await settle();
    const nodes = [
      { node: "node-1", action: "remove" },
      { node: "node-2", action: "change", capacityBytes: 1 << 28 },
    ];
    const { preview, staged } = await stage({ nodes });
    const before = new Map(world.nodes.map((one) => [one.name, new Set(one.chunks.keys())]));
    await world.call("layout.apply", { version: staged?.version, force: true });
    await settle();
    for (const one of world.nodes) {
      const had = before.get(one.name) ?? new Set();
      const gained = [...one.chunks.keys()].filter((id) => !had.has(id)).length;
      const lost = [...had].filter((id) => !one.chunks.has(id as ChunkId)).length;
      const told = preview?.nodes.find(({ name }) => name === one.name);
      expect([one.name, told?.gains.chunks, told?.loses.chunks]).toEqual([one.name, gained, lost]);
    }
    expect(node(0).chunks.size).toBe(0);
    expect(info("node-1")?.state).toBe("drained");
  });

  it("is applied under the number that was shown, and once", async () => {
    const first = await stage({ nodes: [], replicas: 2 });
    const shown = first.staged?.version ?? 0;
    await world.addNode();
    await expect(world.call("layout.apply", { version: shown })).rejects.toMatchObject({
      code: "MESH_LAYOUT_CHANGED",
    });
    const again = await world.call<LayoutOverview>("layout.show", {});
    const version = again.staged?.version ?? 0;
    expect(version).toBeGreaterThan(shown);
    const applied = await Promise.all(
      [1, 2, 3].map(() => world.call<LayoutOverview>("layout.apply", { version })),
    );
    expect(applied.map(({ layout }) => layout.version)).toEqual([version, version, version]);
    expect(world.coordinator.layout()).toMatchObject({ version, replicas: 2 });
    await world.restart();
    // The operator's number stands against the configuration's.
    expect(world.coordinator.layout()).toMatchObject({ replicas: 2 });
    expect(world.coordinator.status().acksNeeded).toBe(2);
  });

  it("with danger is refused until it is forced, and forgotten by revert", async () => {
    const nodes = ["node-1", "node-2"].map((name) => ({ node: name, action: "remove" }));
    const { staged, preview } = await stage({ nodes });
    expect(preview?.warnings).toContainEqual(expect.objectContaining({ grave: true }));
    const version = staged?.version;
    await expect(world.call("layout.apply", { version })).rejects.toMatchObject({
      code: "MESH_LAYOUT_UNSAFE",
    });
    const reverted = await world.call<LayoutOverview>("layout.revert", {});
    expect(reverted.staged).toBeUndefined();
    await expect(world.call("layout.apply", { version, force: true })).rejects.toMatchObject({
      code: "MESH_LAYOUT_CHANGED",
    });
    expect(world.coordinator.layout().nodes).toHaveLength(4);
  });

  it("keeps what the operator chose when the node says something else", async () => {
    const nodes = [{ node: "node-1", action: "change", capacityBytes: 500, site: "attic" }];
    const { staged } = await stage({ nodes });
    await world.call("layout.apply", { version: staged?.version, force: true });
    node(0).capacityBytes = 2 ** 33;
    node(0).site = "cellar";
    await node(0).register();
    const chosen = () => world.coordinator.layout().nodes.find(({ name }) => name === "node-1");
    expect(chosen()).toMatchObject({ capacityBytes: 500, zone: { site: "attic" } });
    const back = [{ node: "node-1", action: "change", capacityBytes: null, site: null }];
    const again = await stage({ nodes: back });
    await world.call("layout.apply", { version: again.staged?.version, force: true });
    expect(chosen()).toMatchObject({ capacityBytes: 2 ** 33, zone: { site: "cellar" } });
  });

  it("lets new nodes wait when it says so, and nodes that were taken out stay out", async () => {
    await world.stop();
    world = await World.start({ nodes: 0 });
    world.overrides = { autoJoin: false };
    await world.restart();
    for (let at = 0; at < 2; at++) await world.addNode();
    const shown = await world.call<LayoutOverview>("layout.show", {});
    expect(shown.layout.nodes).toEqual([]);
    expect(shown.staged?.nodes.map(({ name }) => name)).toEqual(["node-1", "node-2"]);
    expect(info("node-1")?.state).toBe("online");
    await node(0).register();
    const version = shown.staged?.version;
    await world.call("layout.apply", { version, force: true });
    expect(world.coordinator.layout().nodes).toHaveLength(2);
    const { staged } = await stage({ nodes: [{ node: "node-2", action: "remove" }] });
    await world.call("layout.apply", { version: staged?.version, force: true });
    await node(1).register();
    expect(world.coordinator.layout().nodes.map(({ name }) => name)).toEqual(["node-1"]);
    expect((await world.call<LayoutOverview>("layout.show", {})).staged).toBeUndefined();
  });
});
