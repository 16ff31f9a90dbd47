import type { MemberId, NodeId } from "@hearthmesh/core";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { Layout, LayoutNode } from "../types.js";
import { emptyLayout, withDraining, withNode } from "./layout-change.js";
import {
  applyStaged,
  changeAtOnce,
  hasChanges,
  type LayoutState,
  type NodePatch,
  revertStaged,
  stage,
  stagedLayout,
} from "./layout-stage.js";

function nodeOf(index: number, capacityBytes = 1000): LayoutNode {
  return {
    nodeId: `${index}`.repeat(64) as NodeId,
    name: `node-${index}`,
    zone: { memberId: "alice" as MemberId, site: "home" },
    capacityBytes,
  };
}

const start = (...indexes: number[]): LayoutState => ({
  layout: indexes.reduce((layout, at) => withNode(layout, nodeOf(at)), emptyLayout(3)),
  staged: undefined,
});
const patch = (index: number, more: Partial<NodePatch> = {}): NodePatch => ({
  nodeId: nodeOf(index).nodeId,
  name: `node-${index}`,
  ...more,
});
const staging = (state: LayoutState, ...nodes: NodePatch[]) => stage(state, { nodes });
const names = ({ nodes }: Layout) => nodes.map(({ name }) => name);
const code = (call: () => unknown) => {
  try {
    call();
    return undefined;
  } catch (error) {
    return (error as { code?: string }).code;
  }
};

describe("staged changes", () => {
  it("change nothing before they are applied, and then all at once", () => {
    const before = start(1, 2, 3);
    const request = [patch(3, { remove: true }), patch(4, { add: nodeOf(4) })];
    const state = stage(before, { nodes: request, replicas: 2, acks: 1 });
    expect(state.layout).toBe(before.layout);
    const version = state.staged?.version ?? 0;
    expect(version).toBeGreaterThan(before.layout.version);
    const after = applyStaged(state, version).layout;
    expect(names(after)).toEqual(["node-1", "node-2", "node-4"]);
    expect(after).toMatchObject({ version, replicas: 2, replicasChosen: true, acks: 1 });
    expect(after.left).toEqual([nodeOf(3).nodeId]);
  });

  it("get a new number with every change, so that what was shown is what is applied", () => {
    const first = staging(start(1, 2), patch(2, { remove: true }));
    const second = staging(first, patch(1, { remove: true }));
    const shown = first.staged?.version ?? 0;
    expect(code(() => applyStaged(second, shown))).toBe("MESH_LAYOUT_CHANGED");
    const joined = changeAtOnce(first, (layout) => withNode(layout, nodeOf(3)));
    expect(code(() => applyStaged(joined, shown))).toBe("MESH_LAYOUT_CHANGED");
    expect(joined.layout.version).not.toBe(shown);
    expect(names(stagedLayout(joined))).toEqual(["node-1", "node-3"]);
  });

  it("keep their number when the same is said again", () => {
    const state = staging(start(1, 2), patch(2, { remove: true }));
    expect(staging(state, patch(2, { remove: true }))).toBe(state);
  });

  it("are applied once, however often that is asked", () => {
    const state = staging(start(1, 2), patch(2, { remove: true }));
    const version = state.staged?.version ?? 0;
    const once = applyStaged(state, version);
    expect(applyStaged(once, version)).toBe(once);
    const reverted = revertStaged(staging(once, patch(1, { remove: true })));
    expect(hasChanges(reverted.staged)).toBe(false);
    expect(applyStaged(reverted, version)).toBe(reverted);
    expect(code(() => applyStaged(reverted, version + 1))).toBe("MESH_LAYOUT_CHANGED");
    // A layout that came otherwise under a number is not taken for the one that was applied.
    const grown = changeAtOnce(reverted, (layout) => withNode(layout, nodeOf(5)));
    expect(code(() => applyStaged(grown, grown.layout.version))).toBe("MESH_LAYOUT_CHANGED");
  });

  it("of one node: the later ones count, and one that undoes the other leaves nothing", () => {
    const removed = staging(start(1, 2), patch(2, { remove: true }));
    const kept = staging(removed, patch(2));
    expect(hasChanges(kept.staged)).toBe(false);
    const sized = staging(removed, patch(2, { capacity: { value: 5, chosen: true } }));
    expect(stagedLayout(sized).nodes[1]).toMatchObject({ capacityBytes: 5, chosen: ["capacity"] });
    const both = staging(sized, patch(2, { site: { value: "attic", chosen: true } }));
    expect(stagedLayout(both).nodes[1]).toMatchObject({
      capacityBytes: 5,
      zone: { site: "attic" },
      chosen: ["capacity", "site"],
    });
    const back = staging(both, patch(2, { capacity: { value: 1000, chosen: false } }));
    expect(stagedLayout(back).nodes[1]).toMatchObject({ capacityBytes: 1000, chosen: ["site"] });
  });

  it("of a node that drains change what it gets back", () => {
    const { nodeId } = nodeOf(1);
    const drained = changeAtOnce(start(1, 2), (layout) => withDraining(layout, nodeId));
    const state = staging(drained, patch(1, { capacity: { value: 70, chosen: true } }));
    const [node] = stagedLayout(state).nodes;
    expect(node).toMatchObject({ capacityBytes: 0, drainingFromBytes: 70, chosen: ["capacity"] });
  });

  it("that contradict each other are refused", () => {
    const refused = (request: object) => code(() => stage(start(1), { nodes: [], ...request }));
    expect(refused({ replicas: 0 })).toBe("MESH_BAD_REQUEST");
    expect(refused({ replicas: 17 })).toBe("MESH_BAD_REQUEST");
    expect(refused({ acks: 4 })).toBe("MESH_BAD_REQUEST");
    expect(refused({ replicas: 2, acks: 2 })).toBeUndefined();
  });
});

type Step = { readonly kind: "stage" | "revert" | "join" | "apply"; readonly at: number };

const step: fc.Arbitrary<Step> = fc.record({
  kind: fc.constantFrom("stage", "stage", "revert", "join", "apply", "apply"),
  at: fc.integer({ min: 1, max: 6 }),
});

describe("a number", () => {
  it("stands for one layout for ever, whatever happens in between", () => {
    fc.assert(
      fc.property(fc.array(step, { maxLength: 40 }), (steps) => {
        let state = start(1, 2, 3);
        const shown = new Map<number, string>();
        const content = ({ version: _, ...layout }: Layout) => JSON.stringify(layout);
        const show = (version: number, layout: Layout) => {
          const known = shown.get(version);
          if (known !== undefined) expect(content(layout)).toBe(known);
          shown.set(version, content(layout));
        };
        for (const { kind, at } of steps) {
          const before = state.layout;
          if (kind === "stage") {
            const present = before.nodes.some(({ nodeId }) => nodeId === nodeOf(at).nodeId);
            const wish = present ? { remove: true as const } : { add: nodeOf(at) };
            state = staging(state, patch(at, wish));
          } else if (kind === "revert") {
            state = revertStaged(state);
          } else if (kind === "join") {
            state = changeAtOnce(state, (layout) => withNode(layout, nodeOf(at, at * 10)));
          } else {
            // Some number that was shown at some time, or one that never was.
            const version = [...shown.keys()][at] ?? at + 100;
            const result = { state };
            const refused = code(() => {
              result.state = applyStaged(state, version);
            });
            if (refused === undefined)
              expect(content(result.state.layout)).toBe(shown.get(version));
            else expect(result.state).toBe(state);
            state = result.state;
          }
          expect(state.layout.version).toBeGreaterThanOrEqual(before.version);
          if (state.layout.version === before.version) expect(state.layout).toBe(before);
          show(state.layout.version, state.layout);
          if (hasChanges(state.staged)) show(state.staged.version, stagedLayout(state));
        }
      }),
    );
  });
});
