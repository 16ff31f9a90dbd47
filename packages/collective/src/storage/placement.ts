/**
 * Where chunks live: weighted rendezvous hashing (Thaler and Ravishankar 1998, with the logarithmic
 * weights of Schindelhauer and Schomaker 2005). Every machine computes the same answer from the
 * layout alone; a node gets chunks in proportion to its capacity, and when one joins or leaves,
 * only the chunks that it gains or had move.
 *
 * The scores use 32-bit integer arithmetic and `Math.log`, which V8 computes with its own port of
 * fdlibm, so that they do not depend on the processor or the C library.
 */
import type { ChunkId, NodeId } from "@hearthmesh/core";
import type { Layout, LayoutNode } from "../types.js";

interface Candidate {
  readonly node: LayoutNode;
  readonly site: string;
  readonly seedHigh: number;
  readonly seedLow: number;
}

/** A layout made ready for many placements. Immutable; make a new one for a new layout. */
export class Placement {
  readonly layout: Layout;
  readonly #candidates: readonly Candidate[];

  constructor(layout: Layout) {
    this.layout = layout;
    this.#candidates = layout.nodes.map((node) => ({
      node,
      site: siteOf(node),
      seedHigh: hashText(node.nodeId, 0x9e3779b9),
      seedLow: hashText(node.nodeId, 0x85ebca6b),
    }));
  }

  /** All nodes of the layout, best first. Nodes without capacity come last. */
  order(chunkId: ChunkId): readonly NodeId[] {
    return this.#ranked(chunkId).map((candidate) => candidate.node.nodeId);
  }

  /**
   * The nodes that should keep the chunk: at most `layout.replicas`, fewer when the layout has
   * fewer nodes with capacity. The best node first; each next one is the best of those in a member
   * that has none yet, then in a site with the fewest.
   */
  replicaSet(chunkId: ChunkId): readonly NodeId[] {
    return this.#keepers(this.#ranked(chunkId)).map(({ node }) => node.nodeId);
  }

  /** All nodes of the layout: the replica set, then the others in the order they stand in. */
  writeOrder(chunkId: ChunkId): readonly LayoutNode[] {
    const ranked = this.#ranked(chunkId);
    const keepers = this.#keepers(ranked);
    const others = ranked.filter((candidate) => !keepers.includes(candidate));
    return [...keepers, ...others].map(({ node }) => node);
  }

  #keepers(ranked: readonly Candidate[]): Candidate[] {
    const left = ranked.filter(({ node }) => node.capacityBytes > 0);
    const members = new Set<string>();
    const sites = new Map<string, number>();
    const chosen: Candidate[] = [];
    while (chosen.length < this.layout.replicas && left.length > 0) {
      const at = indexOfBest(left, members, sites);
      const [best] = left.splice(at, 1);
      if (best === undefined) break;
      members.add(best.node.zone.memberId);
      sites.set(best.site, (sites.get(best.site) ?? 0) + 1);
      chosen.push(best);
    }
    return chosen;
  }

  #ranked(chunkId: ChunkId): Candidate[] {
    const high = Number.parseInt(chunkId.slice(0, 8), 16) | 0;
    const low = Number.parseInt(chunkId.slice(8, 16), 16) | 0;
    return this.#candidates
      .map((candidate) => ({ candidate, score: score(candidate, high, low) }))
      .sort(
        (a, b) => b.score - a.score || (a.candidate.node.nodeId < b.candidate.node.nodeId ? -1 : 1),
      )
      .map(({ candidate }) => candidate);
  }
}

/** All nodes of the layout for this chunk, best first. For many chunks, keep a `Placement`. */
export function placeChunk(layout: Layout, chunkId: ChunkId): readonly NodeId[] {
  return new Placement(layout).order(chunkId);
}

/** The nodes that should keep this chunk; see `Placement.replicaSet`. */
export function replicaSet(layout: Layout, chunkId: ChunkId): readonly NodeId[] {
  return new Placement(layout).replicaSet(chunkId);
}

/**
 * How many different zones (member and site) the nodes are in; nodes outside the layout are none.
 */
export function distinctZones(layout: Layout, nodeIds: readonly NodeId[]): number {
  const wanted = new Set<NodeId>(nodeIds);
  return new Set(layout.nodes.filter((node) => wanted.has(node.nodeId)).map(siteOf)).size;
}

function indexOfBest(
  left: readonly Candidate[],
  members: ReadonlySet<string>,
  sites: ReadonlyMap<string, number>,
): number {
  let best = 0;
  let bestCost = Number.POSITIVE_INFINITY;
  left.forEach((candidate, index) => {
    const sameMember = members.has(candidate.node.zone.memberId) ? 1 : 0;
    // A site never has as many as 2^20 replicas, so the member always weighs more.
    const cost = sameMember * 2 ** 20 + (sites.get(candidate.site) ?? 0);
    if (cost < bestCost) {
      best = index;
      bestCost = cost;
    }
  });
  return best;
}

/** `-weight / ln(u)` with u uniform in (0, 1): the greatest of several wins in proportion. */
function score(candidate: Candidate, high: number, low: number): number {
  const a = mix(high ^ candidate.seedHigh);
  const b = mix((low ^ candidate.seedLow) + a);
  const c = mix(a + b);
  const uniform = ((c >>> 5) * 2 ** 26 + (b >>> 6) + 0.5) / 2 ** 53;
  return -Math.max(0, candidate.node.capacityBytes) / Math.log(uniform);
}

/**
 * The finaliser of MurmurHash3 (Appleby, public domain): every input bit changes half the output.
 */
function mix(value: number): number {
  let hash = value | 0;
  hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b);
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35);
  return hash ^ (hash >>> 16);
}

function hashText(text: string, seed: number): number {
  let hash = seed | 0;
  for (let at = 0; at < text.length; at++) {
    hash = Math.imul(hash ^ text.charCodeAt(at), 0x01000193);
    hash = (hash << 13) | (hash >>> 19);
  }
  return mix(hash);
}

function siteOf(node: LayoutNode): string {
  return `${node.zone.memberId}/${node.zone.site}`;
}
