/** The incidents that this node knows, also of other nodes; how many, says `kept-incidents.ts`. */
import type { SymptomKind } from "../fact.js";
import { CLOSED_STATES, type Incident } from "../incident.js";
import { spareIncidents } from "../kept-incidents.js";

export class IncidentBook {
  readonly #incidents = new Map<string, Incident>();
  readonly #selfId: string;

  constructor(selfId: string) {
    this.#selfId = selfId;
  }

  get(id: string): Incident | undefined {
    return this.#incidents.get(id);
  }

  /** The oldest go first, but none that is open. */
  put(incident: Incident): void {
    this.#incidents.set(incident.id, incident);
    const all = [...this.#incidents.values()];
    const isOpen = ({ state }: Incident) => !CLOSED_STATES.includes(state);
    for (const id of spareIncidents(all, this.#selfId, isOpen)) this.#incidents.delete(id);
  }

  /** The newest first. */
  list(filter: { limit: number; kind?: SymptomKind; before?: string }): Incident[] {
    const { limit, kind, before } = filter;
    const found: Incident[] = [];
    for (const id of this.#ids().reverse()) {
      const incident = this.#incidents.get(id);
      if (incident === undefined || (before !== undefined && id >= before)) continue;
      if (kind !== undefined && incident.kind !== kind) continue;
      if (found.length >= limit) break;
      found.push(incident);
    }
    return found;
  }

  #ids(): string[] {
    return [...this.#incidents.keys()].sort();
  }
}
