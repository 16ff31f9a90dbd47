/** The incidents that this node knows, also of other nodes; how many, says `kept-incidents.ts`. */
import type { SymptomKind } from "../fact.js";
import { CLOSED_STATES, type Incident } from "../incident.js";
import { byBegin, spareIncidents } from "../kept-incidents.js";

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
    const isOlder = this.#olderThan(before);
    const older = [...this.#incidents.values()].filter(
      (incident) => isOlder(incident) && (kind === undefined || incident.kind === kind),
    );
    return older.sort((a, b) => byBegin(b, a)).slice(0, limit);
  }

  #olderThan(id: string | undefined): (incident: Incident) => boolean {
    if (id === undefined) return () => true;
    const known = this.#incidents.get(id);
    // Of one that was forgotten meanwhile, its id says when it was made.
    if (known === undefined) return (incident) => incident.id < id;
    return (incident) => byBegin(incident, known) < 0;
  }
}
