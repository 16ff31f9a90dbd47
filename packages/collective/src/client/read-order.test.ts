import type { ChunkId, MemberId, NodeId } from "@hearthmesh/core";
import { describe, expect, it } from "vitest";
import { Placement } from "../storage/placement.js";
import type { ChunkRef, NodeInfo } from "../types.js";
import { type ReadView, readOrder, spreadReads } from "./read-order.js";

const memberId = "alice" as MemberId;

function view(names: string[], changes: Partial<ReadView> = {}, offline: string[] = []): ReadView {
  const nodes = names.map(
    (name): NodeInfo => ({
      nodeId: name as NodeId,
      name,
      memberId,
      roles: ["storage"],
      addresses: [],
      version: "1",
      state: offline.includes(name) ? "offline" : "online",
      lastSeenMs: 0,
    }),
  );
  const layout = {
    v: 1 as const,
    version: 1,
    replicas: 3,
    nodes: nodes.map(({ nodeId, name }) => ({
      nodeId,
      name,
      zone: { memberId, site: "home" },
      capacityBytes: 1,
    })),
  };
  return {
    placement: new Placement(layout),
    nodes: new Map(nodes.map((node) => [node.nodeId, node])),
    failing: new Set(),
    self: "nobody" as NodeId,
    ...changes,
  };
}

const chunk = (at: number): ChunkRef => ({
  id: ((at * 2654435761) >>> 0).toString(16).padStart(64, "0") as ChunkId,
  sizeBytes: 1,
});
const spread = (reading: ReadView, chunks: number) => {
  const items = Array.from({ length: chunks }, (_, at) => ({ ref: chunk(at) }));
  return new Map([...spreadReads(reading, items)].map(([node, all]) => [node.name, all.length]));
};
const names = ["a", "b", "c", "d", "e"];

describe("reading from replicas", () => {
  it("asks every node in the end, replicas first and unwell ones last", () => {
    const reading = view(names, { failing: new Set(["b" as NodeId]) }, ["c"]);
    const order = readOrder(reading, chunk(1)).map((node) => node.name);
    expect([...order].sort()).toEqual(names);
    expect(new Set(order.slice(3))).toEqual(new Set(["b", "c"]));
  });

  it("spreads the load, and leaves out nodes that are not well", () => {
    const counts = [...spread(view(names.slice(0, 3)), 60).values()];
    expect(counts).toEqual([20, 20, 20]);
    expect(spread(view(["a", "b", "c"], {}, ["a"]), 60)).toEqual(
      new Map([
        ["b", 30],
        ["c", 30],
      ]),
    );
  });

  it("reads its own copies itself, and still asks somebody when nobody seems well", () => {
    expect(spread(view(["a", "b", "c"], { self: "b" as NodeId }), 9)).toEqual(new Map([["b", 9]]));
    expect([...spread(view(["a"], {}, ["a"]), 2).values()]).toEqual([2]);
    expect(spread(view([]), 3).size).toBe(0);
  });
});
