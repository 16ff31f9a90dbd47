/**
 * Services of other nodes that could not be reached a moment ago. They are tried last until they
 * answer or the time is over; what their node announces about their health comes later than that.
 */
import type { Clock, NodeId } from "@hearthmesh/core";

const AVOIDED_MS = 5_000;
/** The oldest are forgotten above it. */
const KEPT_MAX = 1_024;

export interface ServicePlace {
  readonly nodeId: NodeId;
  readonly service: string;
}

export class RecentFailures {
  readonly #clock: Pick<Clock, "monotonicMs">;
  readonly #untilMs = new Map<string, number>();

  constructor(clock: Pick<Clock, "monotonicMs">) {
    this.#clock = clock;
  }

  add(place: ServicePlace): void {
    const key = keyOf(place);
    this.#untilMs.delete(key);
    this.#untilMs.set(key, this.#clock.monotonicMs() + AVOIDED_MS);
    if (this.#untilMs.size <= KEPT_MAX) return;
    const [oldest] = this.#untilMs.keys();
    if (oldest !== undefined) this.#untilMs.delete(oldest);
  }

  has(place: ServicePlace): boolean {
    const key = keyOf(place);
    const untilMs = this.#untilMs.get(key);
    if (untilMs === undefined) return false;
    if (this.#clock.monotonicMs() < untilMs) return true;
    this.#untilMs.delete(key);
    return false;
  }

  /** Whether it was one. */
  forget(place: ServicePlace): boolean {
    return this.#untilMs.delete(keyOf(place));
  }
}

function keyOf({ nodeId, service }: ServicePlace): string {
  return `${nodeId}/${service}`;
}
