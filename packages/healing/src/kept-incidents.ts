/**
 * Which incidents are too many. Pure; used for those in memory and for those in the store.
 *
 * Invariants: of all at most `INCIDENTS_KEPT_MAX` stay, of all other nodes together at most
 * `INCIDENTS_OF_OTHERS_MAX`. So whatever others tell, the own ones have room for the rest. Of the
 * others always the one with the most incidents gives its oldest away: those that tell much share
 * evenly what those leave who tell little, however many they are.
 */
import { INCIDENTS_KEPT_MAX, INCIDENTS_OF_OTHERS_MAX } from "./limits.js";

interface Kept {
  readonly id: string;
  readonly nodeId: string;
  /** By the clock of the node that keeps it. */
  readonly openedAtMs: number;
}

/** The oldest first. Not by their ids: these are made by the clock of their node. */
export function byBegin(a: Omit<Kept, "nodeId">, b: Omit<Kept, "nodeId">): number {
  return a.openedAtMs - b.openedAtMs || (a.id < b.id ? -1 : a.id > b.id ? 1 : 0);
}

/** `isOpen`: it is given away only when its node has no other one. */
export function spareIncidents<One extends Kept>(
  incidents: readonly One[],
  selfId: string,
  isOpen: (incident: One) => boolean,
): string[] {
  let others = incidents.reduce((sum, { nodeId }) => sum + (nodeId === selfId ? 0 : 1), 0);
  if (others <= INCIDENTS_OF_OTHERS_MAX && incidents.length <= INCIDENTS_KEPT_MAX) return [];
  const byNode = new Map<string, One[]>([[selfId, []]]);
  for (const incident of [...incidents].sort(byBegin)) {
    const known = byNode.get(incident.nodeId);
    if (known === undefined) byNode.set(incident.nodeId, [incident]);
    else known.push(incident);
  }
  const own = byNode.get(selfId) ?? [];
  byNode.delete(selfId);
  const spare: string[] = [];
  for (; others > INCIDENTS_OF_OTHERS_MAX; others--) {
    spare.push(...takeOldest(longest(byNode), isOpen));
  }
  while (own.length + others > INCIDENTS_KEPT_MAX) spare.push(...takeOldest(own, isOpen));
  return spare;
}

function longest<One>(byNode: ReadonlyMap<string, One[]>): One[] {
  let most: One[] = [];
  for (const list of byNode.values()) if (list.length > most.length) most = list;
  return most;
}

function takeOldest<One extends Kept>(list: One[], isOpen: (one: One) => boolean): string[] {
  const at = list.findIndex((one) => !isOpen(one));
  return list.splice(Math.max(0, at), 1).map(({ id }) => id);
}
