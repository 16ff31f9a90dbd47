/**
 * Whom a request means, without I/O. A target is one of these, tried in this order:
 *
 * 1. `<node>:<service>` or `<service>@<node>`: that service of that node;
 * 2. the name of a service: wherever it runs;
 * 3. a capability: every service that has it;
 * 4. a node's name or id: the only service of that node.
 *
 * Candidates come in the order in which they are tried: healthy ones first, then the nearest (in
 * classes of `COST_CLASS_MS`), then the least loaded. Equal ones are shuffled, so that several
 * callers do not all choose the same.
 */
import { MeshError, type NodeId, type Random } from "@hearthmesh/core";
import type { ServiceAnnouncement } from "../ports.js";
import { COST_CLASS_MS, NAMES_TOLD_MAX, SERVICE_TARGET_BYTES_MAX } from "./limits.js";

/** One place where a request can go. */
export interface ServiceCandidate {
  readonly nodeId: NodeId;
  readonly nodeName: string;
  readonly service: string;
  readonly protocol: "http" | "tcp";
  readonly capabilities: readonly string[];
  readonly health: ServiceAnnouncement["health"];
  readonly load: number;
  /** Round trip in milliseconds; 0 on this node; undefined when no way is known at present. */
  readonly costMs: number | undefined;
  readonly local: boolean;
}

/** The candidates for a target, in order. `MESH_SERVICE_UNKNOWN` with what there is instead. */
export function findCandidates(
  target: string,
  all: readonly ServiceCandidate[],
  random: Random,
): ServiceCandidate[] {
  if (target === "" || target.length > SERVICE_TARGET_BYTES_MAX) throw unknown(target, all);
  const pair = pairOf(target);
  if (pair !== undefined) {
    const found = all.filter((one) => isOf(one, pair.node) && one.service === pair.service);
    if (found.length === 0) throw unknown(target, all);
    return inOrder(found, random);
  }
  const named = all.filter(({ service }) => service === target);
  if (named.length > 0) return inOrder(named, random);
  const able = all.filter(({ capabilities }) => capabilities.includes(target));
  if (able.length > 0) return inOrder(able, random);
  return onNode(target, all);
}

function pairOf(target: string): { node: string; service: string } | undefined {
  const colon = target.indexOf(":");
  if (colon >= 0) return { node: target.slice(0, colon), service: target.slice(colon + 1) };
  const at = target.indexOf("@");
  if (at >= 0) return { node: target.slice(at + 1), service: target.slice(0, at) };
  return undefined;
}

function isOf({ nodeId, nodeName }: ServiceCandidate, node: string): boolean {
  return nodeName === node || nodeId === node;
}

function onNode(target: string, all: readonly ServiceCandidate[]): ServiceCandidate[] {
  const here = all.filter((one) => isOf(one, target));
  if (here.length === 1) return here;
  if (here.length === 0) throw unknown(target, all);
  const names = here.map(({ service }) => `${target}:${service}`).slice(0, NAMES_TOLD_MAX);
  throw new MeshError("MESH_SERVICE_UNKNOWN", {
    message: `${target} has ${here.length} services: say which one`,
    hint: `There are: ${names.join(", ")}.`,
    details: { target, services: names },
  });
}

const HEALTH_RANK = { ok: 0, unknown: 1, failing: 2 } as const;

function inOrder(candidates: readonly ServiceCandidate[], random: Random): ServiceCandidate[] {
  // The usual case; chance is not free where it comes from the system.
  if (candidates.length === 1) return [...candidates];
  return candidates
    .map((candidate) => ({ candidate, chance: random.float() }))
    .sort(
      (a, b) =>
        HEALTH_RANK[a.candidate.health] - HEALTH_RANK[b.candidate.health] ||
        compare(costClass(a.candidate), costClass(b.candidate)) ||
        a.candidate.load - b.candidate.load ||
        a.chance - b.chance,
    )
    .map(({ candidate }) => candidate);
}

/** This node has a class of its own, so that nothing is sent away that can be done here. */
function costClass({ local, costMs }: ServiceCandidate): number {
  if (local) return -1;
  return costMs === undefined ? Number.POSITIVE_INFINITY : Math.floor(costMs / COST_CLASS_MS);
}

/** Without a subtraction: the last class is infinite. */
function compare(a: number, b: number): number {
  return a === b ? 0 : a < b ? -1 : 1;
}

function unknown(target: string, all: readonly ServiceCandidate[]): MeshError {
  const names = [...new Set(all.map(({ service }) => service))].sort().slice(0, NAMES_TOLD_MAX);
  const shown = JSON.stringify(target.slice(0, SERVICE_TARGET_BYTES_MAX));
  return new MeshError("MESH_SERVICE_UNKNOWN", {
    message: `no service, capability or node of the mesh is called ${shown}`,
    hint:
      names.length === 0
        ? "Nobody announces a service yet: `mesh service add` on the node where it runs."
        : `There are: ${names.join(", ")}. \`mesh service list\` shows where they run.`,
  });
}
