import type { ChunkId, MemberId, NodeId } from "@hearthmesh/core";
import { ManualClock } from "@hearthmesh/core/testing";
import { memoryStore, put } from "@hearthmesh/store";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { chunkIdOf } from "../storage/blake3.js";
import { replicaSet } from "../storage/placement.js";
import type { Layout, LayoutNode, NodeInfo } from "../types.js";
import { keys } from "./keys.js";
import { emptyLayout, withDraining, withNode, withoutNode } from "./layout-change.js";
import { PreviewTally, type WarningCode } from "./layout-preview.js";
import { previewLayout } from "./layout-survey.js";
import { encodeReference } from "./records.js";

const GIB = 2 ** 30;

function nodeOf(index: number, site = "home", capacityBytes = GIB): LayoutNode {
  return {
    nodeId: `${index}`.repeat(64).slice(0, 64) as NodeId,
    name: `node-${index}`,
    zone: { memberId: "alice" as MemberId, site },
    capacityBytes,
  };
}

function infoOf(node: LayoutNode, freeBytes: number, state: NodeInfo["state"] = "online") {
  const report = { usedBytes: 0, chunkCount: 0, corruptChunks: 0 };
  const { nodeId, name, capacityBytes } = node;
  return { nodeId, name, state, storage: { ...report, freeBytes, capacityBytes } };
}

const layoutOf = (nodes: readonly LayoutNode[], replicas = 3) =>
  nodes.reduce((layout, node) => withNode(layout, node), emptyLayout(replicas));
const chunk = (at: number) => chunkIdOf([Buffer.from(`chunk ${at}`)]);
const four = [1, 2, 3, 4].map((index) => nodeOf(index));

function warningsOf(before: Layout, after: Layout, nodes = four.map((one) => infoOf(one, GIB))) {
  const tally = new PreviewTally({ before, after, nodes });
  for (let at = 0; at < 300; at++) tally.see(chunk(at), 1 << 20);
  const { warnings } = tally.result(1);
  return warnings.map(({ code, grave }): [WarningCode, boolean] => [code, grave]);
}

describe("a preview", () => {
  it("counts for every chunk who gains it and who loses it", () => {
    const node = fc.record({
      index: fc.integer({ min: 1, max: 9 }),
      site: fc.constantFrom("home", "attic", "office"),
      weight: fc.integer({ min: 0, max: 5 }),
    });
    const layout = fc
      .tuple(fc.uniqueArray(node, { selector: ({ index }) => index, maxLength: 7 }), fc.nat(4))
      .map(([nodes, replicas]) =>
        layoutOf(
          nodes.map(({ index, site, weight }) => nodeOf(index, site, weight * GIB)),
          replicas + 1,
        ),
      );
    fc.assert(
      fc.property(layout, layout, (before, after) => {
        const tally = new PreviewTally({ before, after, nodes: [] });
        const gains = new Map<string, number>();
        let losses = 0;
        for (let at = 0; at < 60; at++) {
          const [old, wanted] = [replicaSet(before, chunk(at)), replicaSet(after, chunk(at))];
          tally.see(chunk(at), at);
          for (const id of wanted.filter((one) => !old.includes(one))) {
            gains.set(id, (gains.get(id) ?? 0) + at);
          }
          losses += old.filter((one) => !wanted.includes(one)).length;
        }
        const preview = tally.result(1);
        for (const one of preview.nodes) expect(one.gains.bytes).toBe(gains.get(one.nodeId) ?? 0);
        expect(preview.nodes.reduce((sum, one) => sum + one.loses.chunks, 0)).toBe(losses);
        for (const { before: had, after: has, gains: more, loses: less } of preview.nodes) {
          expect(has.bytes).toBe(had.bytes + more.bytes - less.bytes);
        }
        const flows = preview.flows.reduce((sum, flow) => sum + flow.chunks, 0);
        // Without any node before, nothing can come from anywhere.
        const hadCopies = preview.nodes.some((one) => one.before.chunks > 0);
        if (hadCopies) expect(flows).toBe(preview.moves.chunks);
      }),
      { numRuns: 60 },
    );
  });

  it("moves nothing between the same layouts, and warns of nothing", () => {
    const layout = layoutOf([nodeOf(1), nodeOf(2, "attic"), nodeOf(3, "office")]);
    expect(warningsOf(layout, layout)).toEqual([]);
    const tally = new PreviewTally({ before: layout, after: layout, nodes: [] });
    tally.see(chunk(1), 5);
    expect(tally.result(1)).toMatchObject({ moves: { chunks: 0, bytes: 0 }, flows: [] });
  });

  it("warns when there are fewer nodes or places than copies", () => {
    const three = layoutOf([nodeOf(1), nodeOf(2, "attic"), nodeOf(3, "office")]);
    expect(warningsOf(three, withoutNode(three, nodeOf(3).nodeId))).toEqual([
      ["fewer-nodes", true],
    ]);
    expect(warningsOf(three, layoutOf([nodeOf(1), nodeOf(2), nodeOf(3)]))).toEqual([
      ["fewer-zones", true],
    ]);
    // It was no better before: that is said, and nothing to refuse.
    const home = layoutOf(four);
    expect(warningsOf(home, withDraining(home, nodeOf(4).nodeId))).toEqual([
      ["fewer-zones", false],
    ]);
    expect(warningsOf(three, { ...three, replicas: 2 })).toEqual([["fewer-copies", false]]);
  });

  it("warns when a node has no room, or would keep more than its capacity", () => {
    const before = layoutOf(four.slice(0, 3));
    const after = layoutOf(four);
    const full = four.map((node) => infoOf(node, node.name === "node-4" ? 1000 : GIB));
    expect(warningsOf(before, after, full)).toContainEqual(["no-room", true]);
    const tiny = layoutOf([...four.slice(0, 2), nodeOf(5, "home", 1 << 20)]);
    expect(warningsOf(before, tiny)).toContainEqual(["over-capacity", true]);
    // It keeps too much already and gets nothing more: no reason to refuse what helps it.
    expect(warningsOf(tiny, tiny)).toContainEqual(["over-capacity", false]);
  });

  it("warns when what has to move is on nodes that are away alone", () => {
    const before = layoutOf(four.slice(0, 1));
    const nodes = four.map((node) => infoOf(node, GIB, node === four[0] ? "offline" : "online"));
    const codes = warningsOf(before, layoutOf(four), nodes).map(([code]) => code);
    expect(codes).toContain("only-copies-away");
  });
});

describe("the survey", () => {
  async function storeWith(count: number) {
    const clock = new ManualClock();
    const store = memoryStore({ clock });
    for (let at = 0; at < count; at++) {
      // Two files with the same chunk count once.
      const file = "1".repeat(32) as never;
      const other = "2".repeat(32) as never;
      await store.transact({
        success: [
          put(keys.reference(chunk(at), file), encodeReference(0, 1000)),
          put(keys.reference(chunk(at), other), encodeReference(9, 1000)),
        ],
      });
    }
    return { store, clock, pauseMs: 0 };
  }
  const input = { before: layoutOf(four.slice(0, 3)), after: layoutOf(four), nodes: [] };

  it("is exact up to its bound, and says so", async () => {
    const options = await storeWith(500);
    const preview = await previewLayout({ ...options, chunksMax: 500 }, input);
    expect(preview).toMatchObject({ isExact: true, chunksLookedAt: 500 });
    expect(preview.total).toEqual({ chunks: 500, bytes: 500_000 });
    const ids: ChunkId[] = Array.from({ length: 500 }, (_, at) => chunk(at));
    const gained = ids.filter((id) => replicaSet(input.after, id).includes(nodeOf(4).nodeId));
    expect(preview.moves.chunks).toBe(gained.length);
  });

  it("is a fair sample above it", async () => {
    const options = await storeWith(2000);
    const exact = await previewLayout(options, input);
    const sample = await previewLayout({ ...options, chunksMax: 400 }, input);
    expect(sample).toMatchObject({ isExact: false, chunksLookedAt: 400 });
    // Five standard deviations of a draw of 400: a fixed seed, so this never fails by chance.
    expect(Math.abs(sample.total.chunks - exact.total.chunks)).toBeLessThan(500);
    expect(Math.abs(sample.moves.chunks - exact.moves.chunks)).toBeLessThan(500);
  });
});
