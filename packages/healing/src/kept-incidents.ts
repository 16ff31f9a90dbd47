/**
 * Which incidents are too many. Pure; used for those in memory and for those in the store.
 *
 * Invariants: of all at most `INCIDENTS_KEPT_MAX` stay, of all other nodes together at most
 * `INCIDENTS_OF_OTHERS_MAX`. So whatever others tell, the own ones have room for the rest. Of the
 * others always the one with the most incidents gives its oldest away: those that tell much share
 * evenly what those leave who tell little, however many they are.
 */
import { INCIDENTS_KEPT_MAX, INCIDENTS_OF_OTHERS_MAX } from "./limits.js";

export interface KeptIncident {
  /** In the order of time. */
  readonly id: string;
  readonly nodeId: string;
  /** It is given away only when its node has no other one. */
  readonly isOpen: boolean;
}

export function spareIncidents(incidents: readonly KeptIncident[], selfId: string): string[] {
  const byNode = new Map<string, KeptIncident[]>();
  for (const incident of [...incidents].sort((a, b) => (a.id < b.id ? -1 : 1))) {
    const known = byNode.get(incident.nodeId);
    if (known === undefined) byNode.set(incident.nodeId, [incident]);
    else known.push(incident);
  }
  const own = byNode.get(selfId) ?? [];
  byNode.delete(selfId);
  const spare: string[] = [];
  let others = incidents.length - own.length;
  for (; others > INCIDENTS_OF_OTHERS_MAX; others--) spare.push(...oldest(longest(byNode)));
  while (own.length + others > INCIDENTS_KEPT_MAX) spare.push(...oldest(own));
  return spare;
}

function longest(byNode: ReadonlyMap<string, KeptIncident[]>): KeptIncident[] {
  let most: KeptIncident[] = [];
  for (const list of byNode.values()) if (list.length > most.length) most = list;
  return most;
}

/** Takes it out. */
function oldest(list: KeptIncident[]): string[] {
  const at = list.findIndex(({ isOpen }) => !isOpen);
  return list.splice(Math.max(0, at), 1).map(({ id }) => id);
}
