/**
 * Decides which nodes get a copy of a chunk. Pure: it sees what happened so far and says what to
 * start now; the upload asks again after every answer.
 *
 * Rule: the first `replicas` usable nodes of the placement order always get a copy. Nodes after
 * them are used only while the acknowledgements that are needed cannot be reached without them. A
 * chunk is safe with `acksNeeded` stored copies on as many distinct zones as there are usable ones,
 * at most `acksNeeded`.
 */
import type { NodeId } from "@hearthmesh/core";

export type CopyState = "untried" | "pending" | "stored" | "failed";

export interface CopyCandidate {
  readonly nodeId: NodeId;
  /** Failure domain: copies in one zone can be lost together. */
  readonly zone: string;
  /** Takes chunks now, as far as is known. */
  readonly usable: boolean;
  readonly state: CopyState;
}

export interface CopyPlan {
  /** Enough copies are on disk: the chunk counts as written. */
  readonly safe: boolean;
  /** Nodes to send a copy to now. */
  readonly start: readonly NodeId[];
  /** Nothing is under way or can be started that would make the chunk safe. */
  readonly blocked: boolean;
}

/** `candidates` in placement order. */
export function planCopies(
  candidates: readonly CopyCandidate[],
  replicas: number,
  acksNeeded: number,
): CopyPlan {
  const living = candidates.filter((one) => isPromised(one) || canStart(one));
  const zonesNeeded = Math.min(acksNeeded, countZones(living));
  const suffices = (copies: readonly CopyCandidate[]) =>
    copies.length >= acksNeeded && countZones(copies) >= zonesNeeded;

  const safe = suffices(candidates.filter((one) => one.state === "stored"));
  const start = candidates.slice(0, replicas).filter(canStart);
  if (safe) return { safe, start: start.map((one) => one.nodeId), blocked: false };

  const promised = [...candidates.filter(isPromised), ...start];
  for (const candidate of candidates.slice(replicas)) {
    if (suffices(promised)) break;
    if (!canStart(candidate) || !helps(candidate, promised, acksNeeded)) continue;
    start.push(candidate);
    promised.push(candidate);
  }
  return {
    safe,
    start: start.map((one) => one.nodeId),
    blocked: !suffices(promised),
  };
}

/** With enough copies but too few zones, only a node in a new zone brings the chunk further. */
function helps(
  candidate: CopyCandidate,
  promised: readonly CopyCandidate[],
  acksNeeded: number,
): boolean {
  return promised.length < acksNeeded || !promised.some((one) => one.zone === candidate.zone);
}

function canStart(candidate: CopyCandidate): boolean {
  return candidate.state === "untried" && candidate.usable;
}

function isPromised(candidate: CopyCandidate): boolean {
  return candidate.state === "pending" || candidate.state === "stored";
}

function countZones(candidates: readonly CopyCandidate[]): number {
  return new Set(candidates.map((one) => one.zone)).size;
}
