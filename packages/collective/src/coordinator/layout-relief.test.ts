import { type ChunkId, MeshError } from "@hearthmesh/core";
import fc from "fast-check";
import { afterEach, describe, expect, it } from "vitest";
import type { LayoutNode } from "../types.js";
import type { ReliefAnswer } from "./layout-relief.js";
import type { MemoryNode } from "./testing/memory-node.js";
import { bytesOf, World } from "./testing/world.js";

const FILES = 40;
const SIZE = 4000;

let world: World;
afterEach(() => world.stop());

async function home(nodes: number, replicas = 3): Promise<void> {
  world = await World.start({ nodes, replicas });
  for (let at = 0; at < FILES; at++) await world.put(`/f${at}`, bytesOf(SIZE, at));
}

const ease = (node: string, percent: number) =>
  world.call<ReliefAnswer>("layout.ease", { node, percent });
const quarantine = (node: string) => world.call<ReliefAnswer>("layout.quarantine", { node });
const release = (node: string) => world.call<ReliefAnswer>("layout.release", { node });
const placed = (name: string): LayoutNode | undefined =>
  world.coordinator.layout().nodes.find((one) => one.name === name);
const copiesOf = (id: ChunkId) => world.nodes.filter((one) => one.chunks.has(id)).length;

function node(index: number): MemoryNode {
  const found = world.nodes[index];
  if (found === undefined) throw new Error("the world is too small");
  return found;
}

async function referenced(): Promise<ChunkId[]> {
  return (await world.rows("r/")).map((key) => key.slice(2, 66) as ChunkId);
}

async function settle(): Promise<void> {
  for (let walk = 0; walk < 3; walk++) await world.runWorker("repair");
}

describe("asking less of a node", () => {
  it("moves chunks away and gives the weight back", async () => {
    await home(5);
    const before = node(0).chunks.size;
    const offered = placed("node-1")?.capacityBytes ?? 0;
    const answer = await ease("node-1", 30);
    expect(answer).toMatchObject({ node: "node-1", after: answer.before + 1 });
    expect(placed("node-1")).toMatchObject({ easedFromBytes: offered });
    await settle();
    expect(node(0).chunks.size).toBeLessThan(before);
    // Its own word about its disk changes what it gets back, and not what is asked of it.
    node(0).capacityBytes = offered * 2;
    await node(0).register();
    expect(placed("node-1")).toMatchObject({ easedFromBytes: offered * 2 });
    expect(placed("node-1")?.capacityBytes).toBeLessThan(offered);
    await release("node-1");
    expect(placed("node-1")).toMatchObject({ capacityBytes: offered * 2 });
    expect(placed("node-1")?.easedFromBytes).toBeUndefined();
    await settle();
    for (const id of await referenced()) expect(copiesOf(id)).toBe(3);
  });

  it("is refused where nothing would move, and leaves the layout as it was", async () => {
    await home(3);
    const { version } = world.coordinator.layout();
    await expect(ease("node-1", 30)).rejects.toMatchObject({ code: "MESH_LAYOUT_UNSAFE" });
    expect(world.coordinator.layout().version).toBe(version);
  });

  it("is not kept off by a node that says something else of its disk again and again", async () => {
    await home(5);
    const version = () => world.coordinator.layout().version;
    const say = async (capacityBytes: number) => {
      node(4).capacityBytes = capacityBytes;
      await node(4).sendReport();
    };
    const before = version();
    for (let at = 1; at <= 20; at++) await say(at % 2 === 0 ? 2 ** 30 : 2 ** 50);
    await node(4).register();
    expect(version()).toBe(before + 1);
    await world.clock.advance(60_000);
    await say(2 ** 31);
    expect(version()).toBe(before + 2);
    expect(placed("node-5")).toMatchObject({ capacityBytes: 2 ** 31 });
  });

  it("twice is once more, and leaves what an operator has staged alone", async () => {
    await home(5);
    await world.call("layout.stage", {
      nodes: [{ node: "node-3", action: "change", site: "garden" }],
    });
    await ease("node-1", 30);
    const weight = placed("node-1")?.capacityBytes;
    await ease("node-1", 100);
    expect(placed("node-1")?.capacityBytes).toBe(weight);
    expect(placed("node-3")?.zone.site).toBe("home");
    const shown = await world.call<{ staged?: object }>("layout.show", {});
    expect(shown.staged).toBeDefined();
  });

  it("goes with a drain: taken back, the node has the smaller weight again", async () => {
    await home(5);
    const offered = placed("node-1")?.capacityBytes;
    await ease("node-1", 50);
    const eased = placed("node-1")?.capacityBytes;
    await world.call("layout.drain", { node: "node-1" });
    expect(placed("node-1")).toMatchObject({ capacityBytes: 0, easedFromBytes: offered });
    await release("node-1");
    expect(placed("node-1")).toMatchObject({ capacityBytes: 0, drainingFromBytes: offered });
    await world.call("layout.undrain", { node: "node-1" });
    expect(placed("node-1")?.capacityBytes).toBe(offered);
    expect(eased).toBeLessThan(offered ?? 0);
  });
});

describe("a quarantine", () => {
  it("asks the node for a whole scrub, empties it, and is taken back", async () => {
    await home(4);
    const answer = await quarantine("node-4");
    expect(node(3).passes).toBe(1);
    expect(placed("node-4")).toMatchObject({ capacityBytes: 0, quarantined: { passes: 0 } });
    expect(await quarantine("node-4")).toEqual({
      node: "node-4",
      before: answer.after,
      after: answer.after,
    });
    expect(node(3).passes).toBe(1);
    await settle();
    expect(node(3).chunks.size).toBe(0);
    for (const id of await referenced()) expect(copiesOf(id)).toBe(3);
    await world.restart();
    expect(placed("node-4")?.quarantined).toBeDefined();
    await release("node-4");
    expect(placed("node-4")?.quarantined).toBeUndefined();
    expect(placed("node-4")?.capacityBytes).toBeGreaterThan(0);
  });

  it("is refused when there would be fewer copies than now", async () => {
    await home(3);
    await expect(quarantine("node-1")).rejects.toMatchObject({ code: "MESH_LAYOUT_UNSAFE" });
    expect(placed("node-1")?.quarantined).toBeUndefined();
  });

  it("leaves a drain of the operator in force when it ends", async () => {
    await home(5);
    await world.call("layout.drain", { node: "node-5" });
    await release("node-5");
    expect(placed("node-5")?.drainingFromBytes).toBeDefined();
  });
});

describe("whatever healing does to the layout", () => {
  it("leaves no chunk with fewer copies than it had", async () => {
    const change = fc.record({
      kind: fc.constantFrom("ease", "quarantine", "release", "walk", "break", "mend"),
      node: fc.nat(4),
      percent: fc.integer({ min: 1, max: 100 }),
    });
    await fc.assert(
      fc.asyncProperty(fc.array(change, { minLength: 1, maxLength: 8 }), async (changes) => {
        await home(5, 2);
        const ids = await referenced();
        let least = 2;
        for (const one of world.nodes) {
          one.onServe = () => {
            least = Math.min(least, ...ids.map(copiesOf));
          };
        }
        for (const { kind, node: at, percent } of changes) {
          const one = node(at);
          if (kind === "walk") await world.runWorker("repair");
          else if (kind === "break" || kind === "mend") {
            one.onServe = (method) => {
              least = Math.min(least, ...ids.map(copiesOf));
              if (kind === "break" && method === "chunk.copy")
                throw new MeshError("MESH_DISK_FULL");
            };
          } else {
            const asked = { node: one.name, percent };
            // Some are refused; that is one way to keep the copies.
            await world.call(`layout.${kind}`, asked).catch((error: unknown) => {
              expect(error).toMatchObject({ code: "MESH_LAYOUT_UNSAFE" });
            });
          }
        }
        await settle();
        expect(Math.min(least, ...ids.map(copiesOf))).toBe(2);
        await world.stop();
      }),
      { numRuns: 12 },
    );
    await home(3);
  });
});
