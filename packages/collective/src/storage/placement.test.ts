import type { ChunkId, MemberId, NodeId } from "@hearthmesh/core";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { Layout } from "../types.js";
import { chunkIdOf } from "./blake3.js";
import { distinctZones, Placement, placeChunk, replicaSet } from "./placement.js";

const GIB = 2 ** 30;

interface Spec {
  name: string;
  member?: string;
  site?: string;
  capacityBytes?: number;
}

function layoutOf(specs: readonly Spec[], replicas = 3): Layout {
  return {
    v: 1,
    version: 1,
    replicas,
    nodes: specs.map((spec) => ({
      nodeId: spec.name.padEnd(52, "a") as NodeId,
      name: spec.name,
      zone: { memberId: (spec.member ?? "alice") as MemberId, site: spec.site ?? "home" },
      capacityBytes: spec.capacityBytes ?? GIB,
    })),
  };
}

function chunk(index: number): ChunkId {
  return chunkIdOf([Buffer.from(`chunk ${index}`)]);
}

const chunks = Array.from({ length: 20_000 }, (_, index) => chunk(index));
const names = ["n2", "n3", "n4", "n5", "n6", "n7"];

describe("placement", () => {
  it("is the same on every machine, in whatever order the layout lists its nodes", () => {
    const layout = layoutOf(names.map((name) => ({ name })));
    const turned = { ...layout, nodes: [...layout.nodes].reverse() };
    for (const id of chunks.slice(0, 200)) {
      expect(placeChunk(turned, id)).toEqual(placeChunk(layout, id));
    }
    const recorded = ["n3", "n6", "n5", "n4", "n7", "n2"];
    // A change of the arithmetic would lose every chunk that is stored.
    expect(placeChunk(layout, chunk(0)).map((id) => id.slice(0, 2))).toEqual(recorded);
  });

  it("gives nodes chunks in proportion to their capacity", () => {
    const weights = [1, 2, 3, 4, 5, 5];
    const layout = layoutOf(
      names.map((name, index) => ({ name, capacityBytes: (weights[index] ?? 0) * GIB })),
    );
    const placement = new Placement(layout);
    const counts = new Map<string, number>();
    for (const id of chunks) {
      const first = placement.order(id)[0] ?? "";
      counts.set(first, (counts.get(first) ?? 0) + 1);
    }
    layout.nodes.forEach((node, index) => {
      const expected = (chunks.length * (weights[index] ?? 0)) / 20;
      const found = counts.get(node.nodeId) ?? 0;
      // Five standard deviations of a binomial count.
      expect(Math.abs(found - expected)).toBeLessThan(5 * Math.sqrt(expected));
    });
  });

  it("moves only the chunks of a node that joins or leaves", () => {
    const before = new Placement(layoutOf(names.map((name) => ({ name }))));
    const after = new Placement(layoutOf([...names, "nz"].map((name) => ({ name }))));
    let gained = 0;
    for (const id of chunks) {
      const newcomer = after.order(id).filter((nodeId) => !nodeId.startsWith("nz"));
      expect(newcomer).toEqual(before.order(id));
      if (after.replicaSet(id).some((nodeId) => nodeId.startsWith("nz"))) gained++;
    }
    const expected = (chunks.length * 3) / 7;
    expect(Math.abs(gained - expected)).toBeLessThan(5 * Math.sqrt(expected));
  });

  it("chooses as many distinct members, then sites, as there can be", () => {
    const zone = fc.record({
      member: fc.constantFrom("alice", "bob", "carol"),
      site: fc.constantFrom("home", "office"),
    });
    const zones = fc.array(zone, { minLength: 1, maxLength: 12 });
    fc.assert(
      fc.property(zones, fc.integer({ min: 1, max: 5 }), fc.nat(19_999), (all, replicas, at) => {
        const specs = all.map((spec, index) => ({ ...spec, name: `n${"bcdefghijklm"[index]}` }));
        const layout = layoutOf(specs, replicas);
        const chosen = replicaSet(layout, chunks[at] as ChunkId);
        expect(new Set(chosen).size).toBe(Math.min(replicas, all.length));
        expect(chosen[0]).toBe(placeChunk(layout, chunks[at] as ChunkId)[0]);
        const members = new Set(
          layout.nodes.filter((n) => chosen.includes(n.nodeId)).map((n) => n.zone.memberId),
        );
        const possible = new Set(all.map((spec) => spec.member)).size;
        expect(members.size).toBe(Math.min(replicas, possible));
        const sites = new Set(all.map((spec) => `${spec.member}/${spec.site}`)).size;
        if (replicas >= sites) expect(distinctZones(layout, chosen)).toBe(sites);
      }),
    );
  });

  it("puts nodes without capacity last and never in the replica set", () => {
    const layout = layoutOf([{ name: "n2", capacityBytes: 0 }, { name: "n3" }, { name: "n4" }]);
    for (const id of chunks.slice(0, 100)) {
      expect(placeChunk(layout, id)[2]).toMatch(/^n2/);
      expect(replicaSet(layout, id)).toHaveLength(2);
    }
    expect(replicaSet(layoutOf([]), chunk(1))).toEqual([]);
  });

  it("counts a zone once, and nodes that it does not know not at all", () => {
    const layout = layoutOf([
      { name: "n2" },
      { name: "n3" },
      { name: "n4", site: "office" },
      { name: "n5", member: "bob" },
    ]);
    const all = layout.nodes.map((node) => node.nodeId);
    expect(distinctZones(layout, all)).toBe(3);
    expect(distinctZones(layout, all.slice(0, 2))).toBe(1);
    expect(distinctZones(layout, ["x".repeat(52) as NodeId])).toBe(0);
  });
});
