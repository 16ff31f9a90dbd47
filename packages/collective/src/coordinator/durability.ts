/**
 * When a chunk counts as written. The rule (Tahoe-LAFS calls it servers of happiness): not the
 * number of copies counts but the number of things that must fail before the chunk is lost.
 *
 * - Copies on `acks` distinct nodes of the layout; on all of them when it has fewer.
 * - In `acks` distinct zones, or in all zones that have a node which is there now and takes chunks.
 *   A home whose other site is away goes on writing; repair brings the copies over when it is back.
 */
import { isMeshError, MeshError, type NodeId } from "@hearthmesh/core";
import { distinctZones } from "../storage/placement.js";
import type { Layout } from "../types.js";
import { replicasPossible } from "./layout-change.js";

export interface DurabilityRule {
  readonly layout: Layout;
  /** From the configuration; 2 by default. */
  readonly acks: number;
  /** Storage nodes that are connected and take chunks. */
  readonly online: readonly NodeId[];
}

/** The rule with what a refusal tells people. */
export interface StorageView extends DurabilityRule {
  /** Storage nodes of the layout that do not take chunks now. */
  readonly unavailable: readonly UnavailableNode[];
}

export interface UnavailableNode {
  readonly name: string;
  /** `full`: its disk, or its share of it. `refusing`: it is there and has another reason. */
  readonly state: "away" | "full" | "refusing";
  readonly reason: string;
}

/** A node that did not store a chunk. */
export function failedNode(name: string, error: unknown): UnavailableNode {
  const isAway = isMeshError(error, "MESH_UNREACHABLE") || isMeshError(error, "MESH_TIMEOUT");
  const other = isMeshError(error, "MESH_DISK_FULL") ? "full" : "refusing";
  const reason = error instanceof Error ? error.message : String(error);
  return { name, state: isAway ? "away" : other, reason };
}

/** Nodes that must have a chunk. 0: there is no node that takes chunks. */
export function acksNeeded(layout: Layout, acks: number): number {
  return Math.min(acks, replicasPossible(layout));
}

/** Whether copies on these nodes make a chunk safe. */
export function isDurable(rule: DurabilityRule, stored: ReadonlySet<NodeId>): boolean {
  const needed = acksNeeded(rule.layout, rule.acks);
  const counted = rule.layout.nodes.filter((node) => stored.has(node.nodeId));
  if (needed === 0 || counted.length < needed) return false;
  const ids = counted.map((node) => node.nodeId);
  // Where a copy lies is a zone that was there, even if its node has gone since.
  const zonesThere = distinctZones(rule.layout, [...rule.online, ...ids]);
  return distinctZones(rule.layout, ids) >= Math.min(needed, zonesThere);
}

/**
 * The error for fewer nodes than a safe write needs, with what keeps the others from helping:
 * `MESH_DISK_FULL` when space is all that is missing, else `MESH_NO_STORAGE`.
 */
export function noStorage(view: StorageView): MeshError {
  const { layout, acks, unavailable } = view;
  if (layout.nodes.length === 0) {
    return new MeshError("MESH_NO_STORAGE", {
      message: "there is no storage node yet",
      hint: "Start one with `mesh up`, or let another machine join.",
    });
  }
  const needed = Math.max(1, acksNeeded(layout, acks));
  const away = unavailable.filter((node) => node.state === "away").length;
  const there = layout.nodes.length - away;
  const taking = layout.nodes.length - unavailable.length;
  const isFull = unavailable.length > 0 && unavailable.every((node) => node.state === "full");
  const why = unavailable.map(({ name, reason }) => `${name}: ${reason}`).join("; ");
  const message = [
    `a safe write needs ${needed} storage ${needed === 1 ? "node" : "nodes in distinct zones"}`,
    `; ${there} ${there === 1 ? "is" : "are"} there`,
    taking === there ? "" : `, of which ${taking === 0 ? "none" : taking} can take new chunks`,
    why === "" ? "" : ` (${why})`,
  ];
  return new MeshError(isFull ? "MESH_DISK_FULL" : "MESH_NO_STORAGE", {
    message: message.join(""),
    details: { needed, found: taking, unavailable },
  });
}
