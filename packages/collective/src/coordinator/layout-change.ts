/**
 * Changes of a layout, as pure functions: layout in, the next version out. A change that changes
 * nothing gives the very same object back, so that no version is made for it.
 */
import { limits, MeshError, type NodeId } from "@hearthmesh/core";
import type { Layout, LayoutNode, Quarantine } from "../types.js";

export function emptyLayout(replicas: number): Layout {
  return { v: 1, version: 1, replicas, nodes: [] };
}

/**
 * Adds a node, or replaces what the layout says about it. A node that was taken out is in it again.
 * `MESH_LIMIT` at `NODES_MAX`.
 */
export function withNode(layout: Layout, node: LayoutNode): Layout {
  const known = layout.nodes.find((one) => one.nodeId === node.nodeId);
  if (known !== undefined && isSame(known, node)) return layout;
  const others = layout.nodes.filter((one) => one.nodeId !== node.nodeId);
  if (others.length >= limits.NODES_MAX) {
    throw new MeshError("MESH_LIMIT", {
      message: `a member may have ${limits.NODES_MAX} storage nodes`,
    });
  }
  const { left, ...rest } = layout;
  const stillLeft = left?.filter((one) => one !== node.nodeId) ?? [];
  const kept = stillLeft.length === 0 ? {} : { left: stillLeft };
  return next({ ...rest, ...kept }, { nodes: sorted([...others, node]) });
}

export function withoutNode(layout: Layout, nodeId: NodeId): Layout {
  const nodes = layout.nodes.filter((one) => one.nodeId !== nodeId);
  return nodes.length === layout.nodes.length ? layout : next(layout, { nodes });
}

/** The same, and it does not join again by itself. */
export function withoutNodeForGood(layout: Layout, nodeId: NodeId): Layout {
  const without = withoutNode(layout, nodeId);
  if (without === layout) return layout;
  const left = [...(layout.left ?? []), nodeId].slice(-limits.NODES_MAX);
  return { ...without, left };
}

/** While the node drains this is the capacity that it gets back. */
export function withCapacity(layout: Layout, nodeId: NodeId, capacityBytes: number): Layout {
  const node = layout.nodes.find((one) => one.nodeId === nodeId);
  return node === undefined ? layout : withNode(layout, resized(node, capacityBytes));
}

/** What the operator chose stands, whatever the configuration says. */
export function withReplicas(layout: Layout, replicas: number): Layout {
  if (layout.replicasChosen === true || replicas === layout.replicas) return layout;
  return next(layout, { replicas });
}

/** The node is given nothing any more; what it has goes to the others. */
export function withDraining(layout: Layout, nodeId: NodeId): Layout {
  const node = layout.nodes.find((one) => one.nodeId === nodeId);
  if (node === undefined || isDraining(node)) return layout;
  return withNode(layout, { ...node, capacityBytes: 0, drainingFromBytes: node.capacityBytes });
}

export function withoutDraining(layout: Layout, nodeId: NodeId): Layout {
  const node = layout.nodes.find((one) => one.nodeId === nodeId);
  if (node?.drainingFromBytes === undefined) return layout;
  const { drainingFromBytes, quarantined: _, ...rest } = node;
  return withNode(layout, { ...rest, capacityBytes: drainingFromBytes });
}

/** It drains because it gave back damaged chunks. One that drains already is marked only. */
export function withQuarantine(layout: Layout, nodeId: NodeId, quarantined: Quarantine): Layout {
  const draining = withDraining(layout, nodeId);
  const node = draining.nodes.find((one) => one.nodeId === nodeId);
  if (node === undefined || node.quarantined !== undefined) return draining;
  return withNode(draining, { ...node, quarantined });
}

/** Less is asked of the node than it offers. Nothing changes when that would be more than now. */
export function withEased(layout: Layout, nodeId: NodeId, weightBytes: number): Layout {
  const node = layout.nodes.find((one) => one.nodeId === nodeId);
  if (node === undefined || isDraining(node) || weightBytes >= node.capacityBytes) return layout;
  const easedFromBytes = offeredBytes(node);
  return withNode(layout, { ...node, capacityBytes: weightBytes, easedFromBytes });
}

export function withoutEased(layout: Layout, nodeId: NodeId): Layout {
  const node = layout.nodes.find((one) => one.nodeId === nodeId);
  if (node?.easedFromBytes === undefined) return layout;
  const { easedFromBytes, ...rest } = node;
  return withNode(layout, weighing(rest, easedFromBytes));
}

/** The capacity that counts when the node neither drains nor is eased. */
export function offeredBytes(node: LayoutNode): number {
  return node.easedFromBytes ?? weightBytes(node);
}

/** With another offer; one that is eased keeps its weight, unless it offers less than that now. */
export function resized(node: LayoutNode, offeredBytes: number): LayoutNode {
  const { easedFromBytes, ...rest } = node;
  if (easedFromBytes === undefined || offeredBytes <= weightBytes(node)) {
    return weighing(rest, offeredBytes);
  }
  return { ...node, easedFromBytes: offeredBytes };
}

/** What counts in placement once it does not drain. */
function weightBytes(node: LayoutNode): number {
  return node.drainingFromBytes ?? node.capacityBytes;
}

function weighing(node: LayoutNode, bytes: number): LayoutNode {
  return isDraining(node)
    ? { ...node, drainingFromBytes: bytes }
    : { ...node, capacityBytes: bytes };
}

/** Replicas that a chunk can have: no more than there are nodes that take chunks. */
export function replicasPossible(layout: Layout): number {
  const able = layout.nodes.filter((node) => node.capacityBytes > 0).length;
  return Math.min(layout.replicas, able);
}

/** The node keeps its place and is given nothing: what it has goes to the others. */
export function isDraining(node: LayoutNode): boolean {
  return node.drainingFromBytes !== undefined;
}

function next(layout: Layout, change: Partial<Layout>): Layout {
  return { ...layout, ...change, version: layout.version + 1 };
}

function sorted(nodes: readonly LayoutNode[]): LayoutNode[] {
  return [...nodes].sort((a, b) => (a.nodeId < b.nodeId ? -1 : 1));
}

function isSame(a: LayoutNode, b: LayoutNode): boolean {
  return (
    a.name === b.name &&
    a.capacityBytes === b.capacityBytes &&
    a.drainingFromBytes === b.drainingFromBytes &&
    a.easedFromBytes === b.easedFromBytes &&
    a.quarantined?.atMs === b.quarantined?.atMs &&
    String(a.chosen ?? "") === String(b.chosen ?? "") &&
    a.zone.memberId === b.zone.memberId &&
    a.zone.site === b.zone.site
  );
}
