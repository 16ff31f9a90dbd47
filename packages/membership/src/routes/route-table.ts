/**
 * Ways to every node, computed when they are asked for and kept until the graph is replaced.
 * Ways over next hops that are to be avoided come after all others.
 */
import type { NodeId } from "@hearthmesh/core";
import type { Route, RoutePath } from "../ports.js";
import { ALTERNATIVES_MAX, DISJOINT_WORK_MAX } from "./limits.js";
import type { RouteGraph } from "./route-graph.js";
import { type IndexPath, PathSearch, pathWeight } from "./shortest-path.js";

const PATHS_MAX = 1 + ALTERNATIVES_MAX;

export class RouteTable {
  readonly #graph: RouteGraph;
  readonly #indexOf: ReadonlyMap<NodeId, number>;
  /** 1 for next hops that just failed. */
  readonly #isAvoided: Uint8Array;
  readonly #hasAvoided: boolean;
  readonly #known = new Map<number, readonly IndexPath[]>();
  #all: PathSearch | undefined;
  #avoiding: PathSearch | undefined;
  #routes: readonly Route[] | undefined;

  constructor(graph: RouteGraph, avoided: ReadonlySet<NodeId> = new Set()) {
    this.#graph = graph;
    this.#indexOf = new Map(graph.nodeIds.map((nodeId, index) => [nodeId, index]));
    this.#isAvoided = Uint8Array.from(graph.nodeIds, (nodeId) => (avoided.has(nodeId) ? 1 : 0));
    this.#hasAvoided = this.#isAvoided.includes(1);
  }

  /**
   * Best first, at most four; node-disjoint ones before others, but for the direct link, which is
   * always among them. Empty when none is known.
   */
  pathsTo(target: NodeId): readonly RoutePath[] {
    const index = this.#indexOf.get(target);
    if (index === undefined || index === 0) return [];
    return this.#pathsTo(index, true).map((path) => this.#named(path));
  }

  /**
   * To every node that has a way, in the order of the ids. In a very large mesh (targets times
   * edges above `DISJOINT_WORK_MAX`) the alternatives are the best by each next hop; `pathsTo`
   * prefers disjoint ones always.
   */
  routes(): readonly Route[] {
    this.#routes ??= this.#makeRoutes();
    return this.#routes;
  }

  #makeRoutes(): Route[] {
    const { nodeIds, edgeTo } = this.#graph;
    const isSmall = nodeIds.length * edgeTo.length <= DISJOINT_WORK_MAX;
    const routes: Route[] = [];
    for (let index = 1; index < nodeIds.length; index++) {
      const paths = this.#pathsTo(index, isSmall).map((path) => this.#named(path));
      const [best, ...alternatives] = paths;
      const nextHop = best?.path[0];
      if (best === undefined || nextHop === undefined) continue;
      routes.push({ target: nodeIds[index] as NodeId, nextHop, ...best, alternatives });
    }
    return routes;
  }

  #pathsTo(target: number, isDisjoint: boolean): readonly IndexPath[] {
    const known = this.#known.get(target);
    if (known !== undefined) return known;
    const good = this.#choose(target, isDisjoint, true);
    const more = this.#hasAvoided ? this.#choose(target, isDisjoint, false) : [];
    const paths = withoutTwins([...good, ...more]).slice(0, PATHS_MAX);
    if (isDisjoint) this.#known.set(target, paths);
    return paths;
  }

  #choose(target: number, isDisjoint: boolean, isAvoiding: boolean): IndexPath[] {
    const search = isAvoiding && this.#hasAvoided ? this.#searchAvoiding() : this.#searchAll();
    const byNextHop = search.pathsTo(target);
    const best = byNextHop[0];
    if (best === undefined) return [];
    const disjoint = isDisjoint ? this.#disjoint(target, best, isAvoiding) : [best];
    const nextHops = new Set(disjoint.map(({ path }) => path[0]));
    const others = byNextHop.filter(({ path }) => !nextHops.has(path[0]));
    const chosen = [...disjoint, ...others].slice(0, PATHS_MAX);
    const direct = this.#direct(target, isAvoiding);
    if (direct !== undefined && !chosen.some(({ path }) => path.length === 1)) {
      chosen.splice(PATHS_MAX - 1, 1, direct);
    }
    return chosen.sort((a, b) => pathWeight(a) - pathWeight(b) || a.path.length - b.path.length);
  }

  /** The best way, then the best of those that share no relay with the ones before. */
  #disjoint(target: number, best: IndexPath, isAvoiding: boolean): IndexPath[] {
    const none = new Uint8Array(this.#graph.nodeIds.length);
    const isExcluded = (isAvoiding ? this.#isAvoided : none).slice();
    const isLinkExcluded = isExcluded.slice();
    const paths: IndexPath[] = [best];
    for (let last = best; paths.length < PATHS_MAX; ) {
      for (const relay of last.path.slice(0, -1)) isExcluded[relay] = 1;
      if (last.path.length === 1) isLinkExcluded[target] = 1;
      const options = { nextHopsMax: 1, isExcluded, isLinkExcluded, target };
      const next = new PathSearch(this.#graph, options).pathsTo(target)[0];
      if (next === undefined) break;
      paths.push(next);
      last = next;
    }
    return paths;
  }

  #direct(target: number, isAvoiding: boolean): IndexPath | undefined {
    if (isAvoiding && this.#isAvoided[target] === 1) return undefined;
    const { edgeStart, edgeTo, edgeTenths } = this.#graph;
    for (let edge = 0; edge < (edgeStart[1] ?? 0); edge++) {
      if (edgeTo[edge] === target) return { path: [target], tenths: edgeTenths[edge] as number };
    }
    return undefined;
  }

  #searchAll(): PathSearch {
    this.#all ??= new PathSearch(this.#graph, { nextHopsMax: PATHS_MAX });
    return this.#all;
  }

  #searchAvoiding(): PathSearch {
    const isExcluded = this.#isAvoided;
    const options = { nextHopsMax: PATHS_MAX, isExcluded, isLinkExcluded: isExcluded };
    this.#avoiding ??= new PathSearch(this.#graph, options);
    return this.#avoiding;
  }

  #named({ path, tenths }: IndexPath): RoutePath {
    const { nodeIds } = this.#graph;
    return { path: path.map((index) => nodeIds[index] as NodeId), costMs: tenths / 10 };
  }
}

function withoutTwins(paths: readonly IndexPath[]): IndexPath[] {
  const seen = new Set<string>();
  return paths.filter(({ path }) => {
    const text = path.join(" ");
    return !seen.has(text) && seen.add(text);
  });
}
