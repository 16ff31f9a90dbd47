/**
 * Addresses that were configured without a node id: whoever of the mesh answers there is wanted. A
 * place stands alone until somebody answered, then it belongs to that node, and it stands alone
 * again when that node no longer answers there: the machine may have been set up anew.
 */
import type { NodeId } from "@hearthmesh/core";
import { Candidate, type FoundMethod } from "./candidate.js";
import type { CandidateTable } from "./candidate-table.js";

export function findPlace(
  table: CandidateTable,
  address: string,
  method: FoundMethod,
  nowMs: number,
): void {
  const holds = (candidate: Candidate) => candidate.addresses.get(address)?.byPlace !== undefined;
  const known = [...table.values()].find(holds) ?? table.obtain(address, undefined, nowMs);
  known?.foundBy.set(method, nowMs);
  known?.addAddress(address, nowMs, method);
}

/** Nobody names these places any more. Answers the candidates that are gone. */
export function withdrawPlaces(
  table: CandidateTable,
  addresses: readonly string[],
  method: FoundMethod,
): Candidate[] {
  const gone: Candidate[] = [];
  for (const candidate of [...table.values()]) {
    for (const text of addresses) {
      const address = candidate.addresses.get(text);
      if (address?.byPlace !== method) continue;
      address.byPlace = undefined;
      if (candidate.nodeId !== undefined) continue;
      table.delete(candidate.key);
      gone.push(candidate);
    }
  }
  return gone;
}

/** The places of a node that did not answer stand alone again. */
export function splitPlaces(table: CandidateTable, candidate: Candidate, nodeId: NodeId): void {
  if (candidate.directSinceMs !== undefined) return;
  for (const { text, method } of candidate.takePlaces()) {
    const place = new Candidate(text, undefined);
    place.foundBy.set(method, candidate.foundBy.get(method) ?? 0);
    place.addAddress(text, candidate.lastDialMs ?? 0, method);
    place.lastNodeId = nodeId;
    place.attempts = candidate.attempts;
    place.lastDialMs = candidate.lastDialMs;
    place.failures = candidate.failures.filter(({ address }) => address === text);
    place.failedMs = candidate.failedMs;
    place.nextDialMs = candidate.nextDialMs;
    table.set(text, place);
    candidate.foundBy.delete(method);
  }
  const isKnownElsewhere = candidate.addresses.size > 0 || candidate.isRelayed;
  if (!isKnownElsewhere) table.delete(candidate.key);
}
