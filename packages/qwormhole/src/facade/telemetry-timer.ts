/**
 * Calls for telemetry at an interval, and soon after something changed; many changes make one call.
 */
import type { LinkClock } from "../link.js";

const SOON_MS = 100;

export class TelemetryTimer {
  readonly #clock: LinkClock;
  readonly #intervalMs: number;
  readonly #onDue: () => void;
  #timer: { cancel(): void } | undefined;
  #dueMs = Number.POSITIVE_INFINITY;
  #running = false;

  constructor(clock: LinkClock, intervalMs: number, onDue: () => void) {
    this.#clock = clock;
    this.#intervalMs = intervalMs;
    this.#onDue = onDue;
  }

  start(): void {
    this.#running = true;
    this.#schedule(this.#intervalMs);
  }

  soon(): void {
    const delayMs = Math.min(SOON_MS, this.#intervalMs);
    if (this.#running && this.#clock.monotonicMs() + delayMs < this.#dueMs) this.#schedule(delayMs);
  }

  stop(): void {
    this.#running = false;
    this.#timer?.cancel();
  }

  #schedule(delayMs: number): void {
    this.#timer?.cancel();
    this.#dueMs = this.#clock.monotonicMs() + delayMs;
    this.#timer = this.#clock.setTimeout(() => {
      this.#schedule(this.#intervalMs);
      this.#onDue();
    }, delayMs);
  }
}
