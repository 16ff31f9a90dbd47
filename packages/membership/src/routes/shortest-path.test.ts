import type { NodeId } from "@hearthmesh/core";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { AnnouncedNeighbour, RouteAnnouncement } from "./announcement.js";
import { HOP_PENALTY_MS } from "./limits.js";
import { routeGraph } from "./route-graph.js";
import { RouteTable } from "./route-table.js";

const idOf = (index: number) => `${"abcdefghij"[index]}`.repeat(52) as NodeId;
const S = idOf(0);

interface Edge {
  readonly from: number;
  readonly to: number;
  readonly ms: number;
}

/** Each edge as its `from` announces it. */
function announcementsOf(
  size: number,
  edges: readonly Edge[],
  relays = (_index: number) => true,
): RouteAnnouncement[] {
  return Array.from({ length: size }, (_, index) => {
    const neighbours = new Map<NodeId, AnnouncedNeighbour>();
    for (const { from, to, ms } of edges) {
      if (from !== index || to === index) continue;
      neighbours.set(idOf(to), { nodeId: idOf(to), roundTripMs: ms, kind: "direct" });
    }
    const common = { epoch: 1, sequence: 1, services: [] };
    return {
      ...common,
      nodeId: idOf(index),
      relays: relays(index),
      neighbours: [...neighbours.values()],
    };
  });
}

const both = (from: number, to: number, ms: number): Edge[] => [
  { from, to, ms },
  { from: to, to: from, ms },
];

function tableOf(announcements: readonly RouteAnnouncement[], avoided: NodeId[] = []): RouteTable {
  return new RouteTable(routeGraph(announcements), new Set(avoided));
}

/** Every simple way from the first node, found by trying all. */
function allPaths(announcements: readonly RouteAnnouncement[]): { path: NodeId[]; ms: number }[] {
  const byId = new Map(announcements.map((one) => [one.nodeId, one]));
  const msOf = (from: NodeId, to: NodeId) =>
    byId.get(from)?.neighbours.find(({ nodeId }) => nodeId === to)?.roundTripMs;
  const found: { path: NodeId[]; ms: number }[] = [];
  const walk = (at: NodeId, path: NodeId[], ms: number) => {
    if (path.length > 0) found.push({ path, ms });
    if (at !== S && byId.get(at)?.relays !== true) return;
    for (const { nodeId, roundTripMs } of byId.get(at)?.neighbours ?? []) {
      if (nodeId === S || path.includes(nodeId)) continue;
      const back = at === S ? roundTripMs : msOf(nodeId, at);
      if (back !== undefined) walk(nodeId, [...path, nodeId], ms + Math.max(back, roundTripMs));
    }
  };
  walk(S, [], 0);
  return found;
}

const weight = ({ path, ms }: { path: readonly NodeId[]; ms: number }) =>
  ms + HOP_PENALTY_MS * path.length;

const graphs = fc
  .tuple(
    fc.integer({ min: 2, max: 7 }),
    fc.array(
      fc.record({
        from: fc.nat(6),
        to: fc.nat(6),
        ms: fc.integer({ min: 1, max: 40 }).map((tenths) => tenths / 2),
        isMutual: fc.integer({ min: 0, max: 9 }).map((number) => number > 0),
      }),
      { maxLength: 22 },
    ),
    fc.uniqueArray(fc.nat(6), { maxLength: 2 }),
  )
  .map(([size, list, leaves]) => {
    const inside = list.filter(({ from, to }) => from < size && to < size);
    const edges = inside.flatMap(({ from, to, ms, isMutual }) =>
      isMutual ? both(from, to, ms) : [{ from, to, ms }],
    );
    return announcementsOf(size, edges, (index) => !leaves.includes(index));
  });

describe("the ways of a random mesh", () => {
  it("are as short as the shortest that trying all finds, and each is a real one", () => {
    const property = fc.property(graphs, (announcements) => {
      const all = allPaths(announcements);
      const table = tableOf(announcements);
      for (const { nodeId } of announcements.slice(1)) {
        const real = all.filter(({ path }) => path.at(-1) === nodeId);
        const found = table.pathsTo(nodeId);
        expect(found.length > 0).toBe(real.length > 0);
        if (real.length === 0) continue;
        const costs = found.map(({ path, costMs }) => weight({ path, ms: costMs }));
        expect(costs[0]).toBeCloseTo(Math.min(...real.map(weight)), 6);
        expect([...costs].sort((a, b) => a - b)).toEqual(costs);
        for (const { path, costMs } of found) {
          const twin = real.find((one) => one.path.join() === path.join());
          expect(twin?.ms).toBeCloseTo(costMs, 6);
        }
        const texts = found.map(({ path }) => path.join());
        expect(new Set(texts).size).toBe(texts.length);
        const hasDirect = real.some(({ path }) => path.length === 1);
        expect(found.some(({ path }) => path.length === 1)).toBe(hasDirect);
      }
    });
    fc.assert(property, { numRuns: 300 });
  });

  it("have a second next hop, and a way without common relays, wherever there is one", () => {
    const property = fc.property(graphs, (announcements) => {
      const all = allPaths(announcements);
      const table = tableOf(announcements);
      for (const { nodeId } of announcements.slice(1)) {
        const real = all.filter(({ path }) => path.at(-1) === nodeId);
        const found = table.pathsTo(nodeId);
        const best = found[0];
        if (best === undefined) continue;
        const nextHops = new Set(real.map(({ path }) => path[0]));
        expect(new Set(found.map(({ path }) => path[0])).size).toBe(Math.min(4, nextHops.size));
        const relays = new Set<NodeId>(best.path.slice(0, -1));
        const isApart = ({ path }: { path: readonly NodeId[] }) =>
          path.join() !== best.path.join() && !path.slice(0, -1).some((one) => relays.has(one));
        if (real.some(isApart)) expect(found.some(isApart)).toBe(true);
      }
    });
    fc.assert(property, { numRuns: 300 });
  });

  it("are the same in whatever order the announcements came", () => {
    const property = fc.property(graphs, fc.infiniteStream(fc.nat()), (announcements, stream) => {
      const keys = new Map(announcements.map(({ nodeId }) => [nodeId, stream.next().value]));
      const shuffled = announcements
        .slice(1)
        .sort((a, b) => (keys.get(a.nodeId) ?? 0) - (keys.get(b.nodeId) ?? 0))
        .map((one) => ({ ...one, neighbours: [...one.neighbours].reverse() }));
      const first = announcements[0] as RouteAnnouncement;
      expect(tableOf([first, ...shuffled]).routes()).toEqual(tableOf(announcements).routes());
    });
    fc.assert(property, { numRuns: 100 });
  });
});

describe("ways", () => {
  const square = [...both(0, 1, 2), ...both(0, 2, 4), ...both(1, 3, 2), ...both(2, 3, 4)];

  it("lead over the cheapest relays, with the others as alternatives", () => {
    const [, , route] = tableOf(announcementsOf(4, square)).routes();
    expect(route).toEqual({
      target: idOf(3),
      nextHop: idOf(1),
      path: [idOf(1), idOf(3)],
      costMs: 4,
      alternatives: [{ path: [idOf(2), idOf(3)], costMs: 8 }],
    });
  });

  it("prefer the direct link to a relay that is less than a millisecond faster", () => {
    const edges = [...both(0, 1, 1), ...both(1, 2, 1), ...both(0, 2, 2.9)];
    const paths = tableOf(announcementsOf(3, edges)).pathsTo(idOf(2));
    expect(paths.map(({ path }) => path.length)).toEqual([1, 2]);
  });

  it("that cost the same are told apart by hops, then by the ids of the relays", () => {
    const direct = [...both(0, 1, 1), ...both(1, 2, 2), ...both(0, 2, 4)];
    expect(tableOf(announcementsOf(3, direct)).pathsTo(idOf(2))[0]?.path).toEqual([idOf(2)]);
    const diamond = [
      [0, 1],
      [1, 3],
      [1, 2],
      [2, 4],
      [3, 4],
    ] as const;
    for (const pairs of [diamond, [...diamond].reverse()]) {
      const edges = pairs.flatMap(([from, to]) => both(from, to, 2));
      const [best] = tableOf(announcementsOf(5, edges)).pathsTo(idOf(4));
      expect(best?.path).toEqual([idOf(1), idOf(2), idOf(4)]);
    }
  });

  it("do not use a link that only one end announces", () => {
    const liar = [
      ...both(0, 1, 2),
      { from: 1, to: 3, ms: 0.1 },
      ...both(0, 2, 9),
      ...both(2, 3, 9),
    ];
    const paths = tableOf(announcementsOf(4, liar)).pathsTo(idOf(3));
    expect(paths).toEqual([{ path: [idOf(2), idOf(3)], costMs: 18 }]);
  });

  it("count a link as the end says that measured more", () => {
    const edges = [...both(0, 1, 1), { from: 1, to: 2, ms: 0.1 }, { from: 2, to: 1, ms: 30 }];
    expect(tableOf(announcementsOf(3, edges)).pathsTo(idOf(2))[0]?.costMs).toBe(31);
  });

  it("do not lead through a node that does not relay", () => {
    const announcements = announcementsOf(4, square, (index) => index !== 1);
    expect(tableOf(announcements).pathsTo(idOf(3))[0]?.path).toEqual([idOf(2), idOf(3)]);
    expect(tableOf(announcements).pathsTo(idOf(1))[0]?.path).toEqual([idOf(1)]);
  });

  it("lead around a next hop that just failed, and over it when there is no other", () => {
    const table = tableOf(announcementsOf(4, square), [idOf(1)]);
    expect(table.pathsTo(idOf(3)).map(({ path }) => path[0])).toEqual([idOf(2), idOf(1)]);
    expect(table.pathsTo(idOf(1)).map(({ path }) => path.length)).toEqual([3, 1]);
    const chain = announcementsOf(3, [...both(0, 1, 2), ...both(1, 2, 2)]);
    expect(tableOf(chain, [idOf(1)]).pathsTo(idOf(2))[0]?.path).toEqual([idOf(1), idOf(2)]);
  });

  it("lead nowhere from a node alone, and not to itself", () => {
    const table = tableOf(announcementsOf(1, []));
    expect(table.routes()).toEqual([]);
    expect(table.pathsTo(S)).toEqual([]);
    expect(new RouteTable(routeGraph([])).routes()).toEqual([]);
  });
});

it("finds the ways of 1,000 nodes with 20 neighbours each", () => {
  const size = 1000;
  const ids = Array.from({ length: size }, (_, index) => {
    const digits = index.toString(8).padStart(4, "0");
    return [...digits]
      .map((digit) => "abcdefgh"[Number(digit)])
      .join("")
      .padEnd(52, "a") as NodeId;
  });
  // A circle with chords: each node has ten neighbours ahead and ten behind.
  const strides = [1, 2, 5, 11, 23, 47, 97, 193, 331, 457];
  const announcements = ids.map((nodeId, index): RouteAnnouncement => {
    const neighbours = strides.flatMap((stride) =>
      [index + stride, index + size - stride].map((to): AnnouncedNeighbour => {
        const other = to % size;
        const ms = (((Math.min(index, other) * 31 + Math.max(index, other) * 17) % 97) + 1) / 2;
        return { nodeId: ids[other] as NodeId, roundTripMs: ms, kind: "direct" };
      }),
    );
    return { nodeId, epoch: 1, sequence: 1, relays: true, neighbours, services: [] };
  });
  const times: Record<string, number[]> = { graph: [], routes: [], paths: [] };
  for (let round = 0; round < 7; round++) {
    const startMs = performance.now();
    const graph = routeGraph(announcements);
    const graphMs = performance.now();
    const table = new RouteTable(graph);
    const routes = table.routes();
    const routesMs = performance.now();
    expect(table.pathsTo(ids[500] as NodeId).length).toBe(4);
    times.graph?.push(graphMs - startMs);
    times.routes?.push(routesMs - graphMs);
    times.paths?.push(performance.now() - routesMs);
    expect(routes.length).toBe(size - 1);
    expect(routes.every(({ alternatives }) => alternatives.length === 3)).toBe(true);
  }
  const medians = Object.entries(times).map(([what, list]) => {
    return `${what} ${[...list].sort((a, b) => a - b)[3]?.toFixed(1)} ms`;
  });
  console.log(`1,000 nodes, 20 neighbours each, median of 7: ${medians.join(", ")}`);
});
