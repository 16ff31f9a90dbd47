/**
 * The mesh as a graph, made of announcements. An edge counts only when both ends announce it, at
 * the larger of the two round trips: nobody can attract ways by announcing links that the other end
 * does not confirm. Own links count as they are measured here.
 */
import type { NodeId } from "@hearthmesh/core";
import type { RouteAnnouncement } from "./announcement.js";

/** Compressed rows: the edges of node `i` are those from `edgeStart[i]` to `edgeStart[i + 1]`. */
export interface RouteGraph {
  /** This node first, then the others in the order of their ids. */
  readonly nodeIds: readonly NodeId[];
  readonly edgeStart: Uint32Array;
  readonly edgeTo: Uint32Array;
  /** Round trips in tenths of a millisecond, so that sums are exact. */
  readonly edgeTenths: Uint32Array;
  /** 1 for nodes that pass streams on. */
  readonly relays: Uint8Array;
}

/**
 * `announcements` begin with that of this node; one for each node. `mayRelay` can refuse more
 * nodes, such as dead ones that a link still leads to.
 */
export function routeGraph(
  announcements: readonly RouteAnnouncement[],
  mayRelay: (nodeId: NodeId) => boolean = () => true,
): RouteGraph {
  const [own, ...others] = announcements;
  if (own === undefined) return graphOf([], new Map(), new Set());
  const tenthsOf = new Map<NodeId, Map<NodeId, number>>();
  for (const { nodeId, neighbours } of announcements) {
    const row = neighbours.map(({ nodeId: to, roundTripMs }) => {
      return [to, Math.round(roundTripMs * 10)] as const;
    });
    tenthsOf.set(nodeId, new Map(row));
  }
  const ids = new Set(others.map(({ nodeId }) => nodeId));
  for (const { nodeId } of own.neighbours) ids.add(nodeId);
  ids.delete(own.nodeId);
  const nodeIds = [own.nodeId, ...[...ids].sort((a, b) => (a < b ? -1 : 1))];
  const rows = new Map<NodeId, (readonly [NodeId, number])[]>();
  for (const { nodeId, neighbours } of announcements) {
    const edges: (readonly [NodeId, number])[] = [];
    for (const { nodeId: to } of neighbours) {
      const tenths = edgeTenths(own.nodeId, nodeId, to, tenthsOf);
      if (tenths !== undefined) edges.push([to, tenths]);
    }
    rows.set(nodeId, edges);
  }
  const relaying = announcements.filter(({ nodeId, relays }) => relays && mayRelay(nodeId));
  return graphOf(nodeIds, rows, new Set(relaying.map(({ nodeId }) => nodeId)));
}

function edgeTenths(
  self: NodeId,
  from: NodeId,
  to: NodeId,
  tenthsOf: ReadonlyMap<NodeId, ReadonlyMap<NodeId, number>>,
): number | undefined {
  const there = tenthsOf.get(from)?.get(to);
  // No way of this node comes back to it.
  if (from === self || to === self) return from === self ? there : undefined;
  const back = tenthsOf.get(to)?.get(from);
  return there === undefined || back === undefined ? undefined : Math.max(there, back);
}

function graphOf(
  nodeIds: readonly NodeId[],
  rows: ReadonlyMap<NodeId, readonly (readonly [NodeId, number])[]>,
  relaying: ReadonlySet<NodeId>,
): RouteGraph {
  const indexOf = new Map(nodeIds.map((nodeId, index) => [nodeId, index]));
  const edgeStart = new Uint32Array(nodeIds.length + 1);
  const to: number[] = [];
  const tenths: number[] = [];
  nodeIds.forEach((nodeId, index) => {
    for (const [target, cost] of rows.get(nodeId) ?? []) {
      const targetIndex = indexOf.get(target);
      if (targetIndex === undefined) continue;
      to.push(targetIndex);
      tenths.push(cost);
    }
    edgeStart[index + 1] = to.length;
  });
  return {
    nodeIds,
    edgeStart,
    edgeTo: Uint32Array.from(to),
    edgeTenths: Uint32Array.from(tenths),
    relays: Uint8Array.from(nodeIds, (nodeId) => (relaying.has(nodeId) ? 1 : 0)),
  };
}
