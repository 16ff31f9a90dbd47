/**
 * What a node's own word changes in the layout: pure. Name, place and capacity follow what the node
 * says, unless the operator chose them.
 */
import type { NodeId } from "@hearthmesh/core";
import type { Layout, LayoutNode } from "../types.js";
import { isDraining, offeredBytes, resized, withNode } from "./layout-change.js";

/** A disk that grew or shrank by less than this does not move chunks. */
const CAPACITY_CHANGE_MIN = 0.1;

/**
 * - `in`: part of the layout.
 * - `left`: the operator took it out; it does not come back by itself.
 * - `waiting`: it has not been added yet.
 */
export type Place = "in" | "left" | "waiting";

export function placeOf(layout: Layout, nodeId: NodeId): Place {
  if (nodeOf(layout, nodeId) !== undefined) return "in";
  return layout.left?.includes(nodeId) === true ? "left" : "waiting";
}

/** What it has goes to the others: it drains, or was taken out. */
export function isLeaving(layout: Layout, nodeId: NodeId): boolean {
  const node = nodeOf(layout, nodeId);
  return node === undefined ? layout.left?.includes(nodeId) === true : isDraining(node);
}

/** The layout with what the node says now; the same object when that changes nothing. */
export function corrected(layout: Layout, said: LayoutNode, hasReported: boolean): Layout {
  const placed = nodeOf(layout, said.nodeId);
  if (placed === undefined) return layout;
  const { chosen = [] } = placed;
  const before = offeredBytes(placed);
  const isMoved = !chosen.includes("site") && placed.zone.site !== said.zone.site;
  const follows = hasReported && !chosen.includes("capacity");
  const isResized = follows && hasChanged(before, said.capacityBytes);
  if (!isMoved && !isResized && placed.name === said.name) return layout;
  const zone = isMoved ? said.zone : placed.zone;
  const capacityBytes = isResized ? said.capacityBytes : before;
  return withNode(layout, resized({ ...placed, name: said.name, zone }, capacityBytes));
}

export function nodeOf(layout: Layout, nodeId: NodeId): LayoutNode | undefined {
  return layout.nodes.find((node) => node.nodeId === nodeId);
}

function hasChanged(beforeBytes: number, nowBytes: number): boolean {
  if (beforeBytes === 0 || nowBytes === 0) return beforeBytes !== nowBytes;
  return Math.abs(nowBytes - beforeBytes) / beforeBytes >= CAPACITY_CHANGE_MIN;
}
