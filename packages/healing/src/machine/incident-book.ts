/**
 * The incidents that this node knows, also of other nodes: the newest `INCIDENTS_KEPT_MAX`, of one
 * other node at most `INCIDENTS_OF_ANOTHER_MAX`.
 */
import type { SymptomKind } from "../fact.js";
import { CLOSED_STATES, type Incident } from "../incident.js";
import { INCIDENTS_KEPT_MAX, INCIDENTS_OF_ANOTHER_MAX } from "../limits.js";

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
    const { nodeId } = incident;
    if (nodeId !== this.#selfId) {
      this.#forgetAbove(INCIDENTS_OF_ANOTHER_MAX, (one) => one.nodeId === nodeId);
    }
    this.#forgetAbove(INCIDENTS_KEPT_MAX, () => true);
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

  #forgetAbove(most: number, isCounted: (incident: Incident) => boolean): void {
    const counted = [...this.#incidents.values()].filter(isCounted);
    if (counted.length <= most) return;
    const ids = counted.map(({ id }) => id).sort();
    const oldest = ids.find((id) => this.#isClosed(id)) ?? ids[0];
    if (oldest !== undefined) this.#incidents.delete(oldest);
  }

  #ids(): string[] {
    return [...this.#incidents.keys()].sort();
  }

  #isClosed(id: string): boolean {
    const incident = this.#incidents.get(id);
    return incident === undefined || CLOSED_STATES.includes(incident.state);
  }
}
