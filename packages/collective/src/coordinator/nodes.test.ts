import { turns } from "@hearthmesh/core/testing";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import type { FileOpenResponse } from "../protocol.js";
import type { MemoryNode } from "./testing/memory-node.js";
import { bytesOf, World } from "./testing/world.js";

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

const states = () => world.coordinator.nodes().map((one) => [one.name, one.state]);

describe("nodes", () => {
  it("are in the layout from their first registration on, and only once", async () => {
    const { version } = world.coordinator.layout();
    expect(
      world.coordinator
        .layout()
        .nodes.map((one) => one.name)
        .sort(),
    ).toEqual(["node-1", "node-2", "node-3"]);
    await world.disconnect(node(0));
    expect(states()).toEqual([
      ["node-1", "offline"],
      ["node-2", "online"],
      ["node-3", "online"],
    ]);
    await world.connect(node(0));
    expect(states()[0]).toEqual(["node-1", "online"]);
    expect(world.coordinator.layout().version).toBe(version);
    expect(world.coordinator.nodes()[0]?.addresses).toContain("node-1:9000");
  });

  it("are known after a restart of the coordinator, and offline until they come back", async () => {
    const layout = world.coordinator.layout();
    await world.disconnect(node(2));
    nodes.splice(2);
    await world.restart();
    expect(world.coordinator.layout()).toEqual(layout);
    expect(states()[2]).toEqual(["node-3", "offline"]);
    expect(world.coordinator.status().nodes).toEqual({ total: 3, online: 2 });
  });

  it("get another weight when their capacity changes by much, and not for a little", async () => {
    const { version } = world.coordinator.layout();
    node(0).capacityBytes += 1 << 24;
    await node(0).register();
    expect(world.coordinator.layout().version).toBe(version);
    node(0).capacityBytes *= 2;
    await node(0).register();
    const placed = world.coordinator.layout().nodes.find((one) => one.name === "node-1");
    expect(placed?.capacityBytes).toBe(node(0).capacityBytes);
    expect(await world.coordinator.layoutVersion(version)).toMatchObject({ version });
  });

  it("are online as long as the link of their registration, not an older one", async () => {
    const old = node(0).link;
    await world.connect(node(0));
    old?.destroy(new Error("the old link ends"));
    await turns();
    expect(states()[0]).toEqual(["node-1", "online"]);
  });

  it("that were taken out drain while they are there, and are not put back", async () => {
    const removed = await world.coordinator.removeNode("node-2");
    expect(removed).toMatchObject({ name: "node-2", state: "draining" });
    expect(world.coordinator.layout().nodes).toHaveLength(2);
    await node(1).register();
    expect(world.coordinator.layout().nodes).toHaveLength(2);
    expect(states()[1]).toEqual(["node-2", "draining"]);
    await world.disconnect(node(1));
    expect(states().map(([name]) => name)).toEqual(["node-1", "node-3"]);
    await expect(world.coordinator.removeNode("node-2")).rejects.toMatchObject({
      code: "MESH_NOT_FOUND",
    });
  });

  it("have only the roles that they were enrolled with", async () => {
    const gatewayOnly = await World.start({ nodes: 1, rolesOf: () => ["gateway"] });
    expect(gatewayOnly.coordinator.nodes()[0]?.roles).toEqual([]);
    expect(gatewayOnly.coordinator.layout().nodes).toEqual([]);
    await gatewayOnly.stop();
  });

  it("are offered to readers with those that are away at the end", async () => {
    await world.put("/a", bytesOf(4096, 1));
    await world.disconnect(node(0));
    const { nodes: offered } = await world.call<FileOpenResponse>("file.open", { path: "/a" });
    expect(offered.map((one) => one.name)).toEqual(["node-2", "node-3", "node-1"]);
  });
});
