/** Which node is asked for a chunk, and who is asked when it fails. Pure. */
import type { NodeId } from "@hearthmesh/core";
import type { Placement } from "../storage/placement.js";
import type { ChunkRef, NodeInfo } from "../types.js";

/** What is known about the nodes while a file is read. */
export interface ReadView {
  readonly placement: Placement;
  readonly nodes: ReadonlyMap<NodeId, NodeInfo>;
  /** Failed a moment ago in this reading. */
  readonly failing: ReadonlySet<NodeId>;
  /** The reader itself. */
  readonly self: NodeId;
}

/**
 * Every node that may have the chunk: those that are online before those that are not, in each
 * group the reader itself, then the replica set, then the others in placement order (a chunk stays
 * where it was until rebalancing has moved it).
 */
export function readOrder(view: ReadView, chunk: ChunkRef): NodeInfo[] {
  const replicas = view.placement.replicaSet(chunk.id);
  const ids = new Set([...replicas, ...view.placement.order(chunk.id), ...view.nodes.keys()]);
  const order = [...ids].flatMap((nodeId) => view.nodes.get(nodeId) ?? []);
  const cost = (node: NodeInfo) =>
    (isWell(view, node) ? 0 : 2) +
    (node.nodeId === view.self && replicas.includes(node.nodeId) ? 0 : 1);
  return order.sort((a, b) => cost(a) - cost(b));
}

/**
 * Spreads chunks over the nodes of their replica sets, so that each gives about as many bytes: the
 * reader's own copies, else the replica with the fewest bytes so far. A chunk without a living
 * replica goes to the first node of its `readOrder`.
 */
export function spreadReads<Item extends { readonly ref: ChunkRef }>(
  view: ReadView,
  items: readonly Item[],
): Map<NodeInfo, Item[]> {
  const batches = new Map<NodeInfo, Item[]>();
  const load = new Map<NodeId, number>();
  for (const item of items) {
    const node = chooseNode(view, item.ref, load);
    if (node === undefined) continue;
    load.set(node.nodeId, (load.get(node.nodeId) ?? 0) + item.ref.sizeBytes);
    const batch = batches.get(node);
    if (batch === undefined) batches.set(node, [item]);
    else batch.push(item);
  }
  return batches;
}

function chooseNode(
  view: ReadView,
  chunk: ChunkRef,
  load: ReadonlyMap<NodeId, number>,
): NodeInfo | undefined {
  const replicas = view.placement
    .replicaSet(chunk.id)
    .flatMap((nodeId) => view.nodes.get(nodeId) ?? [])
    .filter((node) => isWell(view, node));
  const own = replicas.find((node) => node.nodeId === view.self);
  if (own !== undefined) return own;
  const [first, ...others] = replicas;
  if (first === undefined) return readOrder(view, chunk)[0];
  return others.reduce(
    (best, node) => ((load.get(node.nodeId) ?? 0) < (load.get(best.nodeId) ?? 0) ? node : best),
    first,
  );
}

function isWell(view: ReadView, node: NodeInfo): boolean {
  return node.state !== "offline" && !view.failing.has(node.nodeId);
}
