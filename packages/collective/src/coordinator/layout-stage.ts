/**
 * Staged changes of the layout: what the operator has written down and not applied. Pure: a state
 * and an event in, the next state out; `layout-book.ts` keeps it in the store.
 *
 *     nothing staged --stage--> staged as version N --stage--> staged as version N'
 *     staged as version N --apply N--> layout N, nothing staged
 *     staged as version N --revert--> nothing staged
 *     staged as version N --the layout changes otherwise--> staged as version N'
 *
 * Invariants:
 * - A version number stands for one content: of the layout, or of the layout that the staged
 *   changes would make. Numbers only grow, and one that was given out is not given out again, so
 *   whoever applies a number gets exactly what was shown under it.
 * - Applying the same number twice is applying it once.
 *
 * Errors: `MESH_LAYOUT_CHANGED` for a number that is not the staged one; `MESH_BAD_REQUEST` for
 * changes that contradict each other or the layout.
 */
import { limits, MeshError, type NodeId } from "@hearthmesh/core";
import type { Layout, LayoutNode } from "../types.js";
import { offeredBytes, resized, withNode, withoutNodeForGood } from "./layout-change.js";

/** What is to become of one node. */
export interface NodePatch {
  readonly nodeId: NodeId;
  /** For people, also when the node is unknown by then. */
  readonly name: string;
  readonly remove?: true;
  /** Joins the layout as this, when it is not in it. */
  readonly add?: LayoutNode;
  readonly capacity?: Choice<number>;
  readonly site?: Choice<string>;
}

/** A value, and whether it stays when the node says something else. */
interface Choice<Value> {
  readonly value: Value;
  readonly chosen: boolean;
}

/** What is staged in one step. */
export interface ChangeRequest {
  readonly nodes: readonly NodePatch[];
  readonly replicas?: number;
  readonly acks?: number;
}

export interface StagedChanges extends ChangeRequest {
  readonly v: 1;
  /** Number under which they can be applied. */
  readonly version: number;
  /** The number that was applied last. */
  readonly applied?: number;
}

export interface LayoutState {
  readonly layout: Layout;
  readonly staged: StagedChanges | undefined;
}

export function hasChanges(staged: StagedChanges | undefined): staged is StagedChanges {
  if (staged === undefined) return false;
  const { nodes, replicas, acks } = staged;
  return nodes.length > 0 || replicas !== undefined || acks !== undefined;
}

/** Adds changes to those that are staged; for one node or number the later ones count. */
export function stage(state: LayoutState, request: ChangeRequest): LayoutState {
  const { layout, staged } = state;
  const patches = new Map((staged?.nodes ?? []).map((patch) => [patch.nodeId, patch]));
  for (const patch of request.nodes) {
    const merged = mergePatches(patches.get(patch.nodeId), patch);
    if (isIdle(layout, merged)) patches.delete(patch.nodeId);
    else patches.set(patch.nodeId, merged);
  }
  const replicas = request.replicas ?? staged?.replicas;
  const copies = request.acks ?? staged?.acks;
  const after: StagedChanges = {
    v: 1,
    version: nextVersion(state),
    ...(staged?.applied === undefined ? {} : { applied: staged.applied }),
    nodes: [...patches.values()],
    ...(replicas === undefined ? {} : { replicas }),
    ...(copies === undefined ? {} : { acks: copies }),
  };
  if (hasSame(staged, after)) return state;
  checkNumbers(stagedLayout({ layout, staged: after }));
  return { layout, staged: after };
}

/** So that saying the same again gives no new number. */
function hasSame(before: StagedChanges | undefined, after: StagedChanges): boolean {
  const content = ({ nodes, replicas, acks }: ChangeRequest) => [nodes, replicas, acks];
  const none: ChangeRequest = { nodes: [] };
  return JSON.stringify(content(before ?? none)) === JSON.stringify(content(after));
}

/** The layout that the staged changes make; the present one when nothing is staged. */
export function stagedLayout({ layout, staged }: LayoutState): Layout {
  if (!hasChanges(staged)) return layout;
  const { replicas, acks } = staged;
  const patched = staged.nodes.reduce(withPatch, layout);
  return {
    ...patched,
    ...(replicas === undefined ? {} : { replicas, replicasChosen: true as const }),
    ...(acks === undefined ? {} : { acks }),
    version: staged.version,
  };
}

/** The same state when this version was applied already. */
export function applyStaged(state: LayoutState, version: number): LayoutState {
  const { layout, staged } = state;
  if (layout.version === version && staged?.applied === version) return state;
  if (!hasChanges(staged)) {
    throw new MeshError("MESH_LAYOUT_CHANGED", {
      message: `no changes are staged; layout ${layout.version} holds`,
      hint: "Stage some with `mesh layout stage`, and look at them with `mesh layout show`.",
    });
  }
  if (staged.version !== version) {
    throw new MeshError("MESH_LAYOUT_CHANGED", {
      message: `version ${version} is not what is staged now: that is version ${staged.version}`,
      details: { asked: version, staged: staged.version, layout: layout.version },
    });
  }
  const after = stagedLayout(state);
  return { layout: after, staged: { v: 1, version, applied: version, nodes: [] } };
}

/** Forgets what is staged, but not its number. */
export function revertStaged({ layout, staged }: LayoutState): LayoutState {
  if (!hasChanges(staged)) return { layout, staged };
  const { version, applied } = staged;
  const kept = applied === undefined ? {} : { applied };
  return { layout, staged: { v: 1, version, ...kept, nodes: [] } };
}

/** A change that is made at once; staged ones get a new number: another layout is under them. */
export function changeAtOnce(state: LayoutState, alter: (layout: Layout) => Layout): LayoutState {
  const { layout, staged } = state;
  const altered = alter(layout);
  if (altered === layout) return state;
  const after = { ...altered, version: nextVersion(state) };
  if (!hasChanges(staged)) return { layout: after, staged };
  return { layout: after, staged: { ...staged, version: after.version + 1 } };
}

function nextVersion({ layout, staged }: LayoutState): number {
  return Math.max(layout.version, staged?.version ?? 0) + 1;
}

function mergePatches(before: NodePatch | undefined, patch: NodePatch): NodePatch {
  if (patch.remove === true || before === undefined) return patch;
  const { remove: _, ...kept } = before;
  return { ...kept, ...patch };
}

/** It would change nothing. */
function isIdle(layout: Layout, patch: NodePatch): boolean {
  return withPatch(layout, patch) === layout;
}

/** Nodes that went in the meantime are left alone. */
function withPatch(layout: Layout, patch: NodePatch): Layout {
  if (patch.remove === true) return withoutNodeForGood(layout, patch.nodeId);
  const present = layout.nodes.find((node) => node.nodeId === patch.nodeId) ?? patch.add;
  return present === undefined ? layout : withNode(layout, patched(present, patch));
}

function patched(node: LayoutNode, { capacity, site }: NodePatch): LayoutNode {
  const { chosen = [], ...rest } = node;
  const now = new Set(chosen);
  if (capacity !== undefined) now[capacity.chosen ? "add" : "delete"]("capacity");
  if (site !== undefined) now[site.chosen ? "add" : "delete"]("site");
  const zone = site === undefined ? node.zone : { ...node.zone, site: site.value };
  const sized = resized({ ...rest, zone }, capacity?.value ?? offeredBytes(node));
  return now.size === 0 ? sized : { ...sized, chosen: [...now].sort() };
}

function checkNumbers({ replicas, nodes, acks = 1 }: Layout): void {
  const problem =
    replicas < 1 || replicas > limits.REPLICAS_MAX
      ? `replicas must be between 1 and ${limits.REPLICAS_MAX}, not ${replicas}`
      : acks < 1 || acks > replicas
        ? `${acks} copies before a write is answered, and ${replicas} in all, do not go together`
        : nodes.length > limits.NODES_MAX
          ? `a member may have ${limits.NODES_MAX} storage nodes`
          : undefined;
  if (problem !== undefined) throw new MeshError("MESH_BAD_REQUEST", { message: problem });
}
