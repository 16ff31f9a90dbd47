/**
 * Shortest ways from node 0 of a graph (E. W. Dijkstra, 1959), by several labels for each node: the
 * best way for each of up to `nextHopsMax` next hops. A label that is not among a node's best is on
 * no best way of another node either: whoever follows the better labels gets there cheaper, by as
 * many next hops.
 *
 * Cost is the sum of the round trips and a penalty for each hop. Of two ways that cost the same the
 * one with fewer hops wins, then the one whose next hop has the lower index, then the one whose
 * last relay has: the same graph always gives the same ways.
 */
import { HOP_PENALTY_MS, PATH_HOPS_MAX } from "./limits.js";
import type { RouteGraph } from "./route-graph.js";

/** A way as indexes of nodes, without node 0. */
export interface IndexPath {
  readonly path: readonly number[];
  /** Sum of the round trips, in tenths of a millisecond. */
  readonly tenths: number;
}

export interface SearchOptions {
  /** Labels of each node. */
  readonly nextHopsMax: number;
  /** 1 for nodes that must not pass streams on, whatever they say. */
  readonly isExcluded?: Uint8Array;
  /** Own edges to these are not used. */
  readonly isLinkExcluded?: Uint8Array;
  /** Ends as soon as this node has a way. */
  readonly target?: number;
}

const PENALTY_TENTHS = HOP_PENALTY_MS * 10;

/** What a way costs when it is compared with others, in tenths of a millisecond. */
export function pathWeight({ path, tenths }: IndexPath): number {
  return tenths + path.length * PENALTY_TENTHS;
}

export class PathSearch {
  readonly #graph: RouteGraph;
  readonly #options: SearchOptions;
  /** Labels, in the order in which they were made. */
  readonly #node: number[] = [];
  readonly #tenths: number[] = [];
  readonly #hops: number[] = [];
  readonly #firstHop: number[] = [];
  readonly #parent: number[] = [];
  /** Labels that may still become one of their node's, the best first. */
  readonly #heap: number[] = [];
  /** Labels of each node, best first. */
  readonly #settled: number[][];

  constructor(graph: RouteGraph, options: SearchOptions) {
    this.#graph = graph;
    this.#options = options;
    this.#settled = graph.nodeIds.map(() => []);
    this.#relaxOwn();
    for (let label = this.#pop(); label !== undefined; label = this.#pop()) {
      if (!this.#settle(label)) continue;
      if (this.#node[label] === options.target) break;
      this.#relax(label);
    }
  }

  /** Ways to the node, each with another next hop, best first. */
  pathsTo(node: number): IndexPath[] {
    return (this.#settled[node] ?? []).map((label) => this.#pathOf(label));
  }

  #pathOf(label: number): IndexPath {
    const path: number[] = [];
    for (let at = label; at >= 0; at = this.#parent[at] as number) {
      path.push(this.#node[at] as number);
    }
    return { path: path.reverse(), tenths: this.#tenths[label] as number };
  }

  #relaxOwn(): void {
    const { edgeStart, edgeTo, edgeTenths, nodeIds } = this.#graph;
    if (nodeIds.length === 0) return;
    for (let edge = 0; edge < (edgeStart[1] as number); edge++) {
      const to = edgeTo[edge] as number;
      if (this.#options.isLinkExcluded?.[to] === 1) continue;
      this.#push(to, edgeTenths[edge] as number, 1, to, -1);
    }
  }

  #relax(label: number): void {
    const node = this.#node[label] as number;
    const hops = this.#hops[label] as number;
    const { edgeStart, edgeTo, edgeTenths, relays } = this.#graph;
    if (relays[node] !== 1 || this.#options.isExcluded?.[node] === 1) return;
    if (hops >= PATH_HOPS_MAX) return;
    const tenths = this.#tenths[label] as number;
    const firstHop = this.#firstHop[label] as number;
    const end = edgeStart[node + 1] as number;
    for (let edge = edgeStart[node] as number; edge < end; edge++) {
      const to = edgeTo[edge] as number;
      if (to === 0 || this.#isFull(to, firstHop)) continue;
      this.#push(to, tenths + (edgeTenths[edge] as number), hops + 1, firstHop, label);
    }
  }

  #settle(label: number): boolean {
    const node = this.#node[label] as number;
    if (this.#isFull(node, this.#firstHop[label] as number)) return false;
    this.#settled[node]?.push(label);
    return true;
  }

  /** Whether the node has all its labels, or one with this next hop. */
  #isFull(node: number, firstHop: number): boolean {
    const labels = this.#settled[node] as number[];
    if (labels.length >= this.#options.nextHopsMax) return true;
    for (const label of labels) if (this.#firstHop[label] === firstHop) return true;
    return false;
  }

  #push(node: number, tenths: number, hops: number, firstHop: number, parent: number): void {
    const label = this.#node.length;
    this.#node.push(node);
    this.#tenths.push(tenths);
    this.#hops.push(hops);
    this.#firstHop.push(firstHop);
    this.#parent.push(parent);
    const heap = this.#heap;
    let at = heap.length;
    heap.push(label);
    while (at > 0) {
      const above = (at - 1) >> 1;
      if (!this.#isBetter(label, heap[above] as number)) break;
      heap[at] = heap[above] as number;
      at = above;
    }
    heap[at] = label;
  }

  #pop(): number | undefined {
    const heap = this.#heap;
    const first = heap[0];
    const last = heap.pop();
    if (first === undefined || last === undefined || heap.length === 0) return first;
    let at = 0;
    for (;;) {
      let child = 2 * at + 1;
      if (child >= heap.length) break;
      const right = child + 1;
      if (right < heap.length && this.#isBetter(heap[right] as number, heap[child] as number)) {
        child = right;
      }
      if (!this.#isBetter(heap[child] as number, last)) break;
      heap[at] = heap[child] as number;
      at = child;
    }
    heap[at] = last;
    return first;
  }

  /** A total order of the labels of one search. */
  #isBetter(a: number, b: number): boolean {
    const hopsA = this.#hops[a] as number;
    const hopsB = this.#hops[b] as number;
    const weight =
      (this.#tenths[a] as number) - (this.#tenths[b] as number) + (hopsA - hopsB) * PENALTY_TENTHS;
    if (weight !== 0) return weight < 0;
    if (hopsA !== hopsB) return hopsA < hopsB;
    const firstHop = (this.#firstHop[a] as number) - (this.#firstHop[b] as number);
    if (firstHop !== 0) return firstHop < 0;
    const node = (this.#node[a] as number) - (this.#node[b] as number);
    if (node !== 0) return node < 0;
    return this.#lastRelay(a) < this.#lastRelay(b);
  }

  #lastRelay(label: number): number {
    const parent = this.#parent[label] as number;
    return parent < 0 ? -1 : (this.#node[parent] as number);
  }
}
