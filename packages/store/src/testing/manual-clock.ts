/** A clock that stands still until the test moves it. */
import type { Clock, Timer } from "@hearthmesh/core";

interface WaitingTimer {
  readonly atMs: number;
  readonly callback: () => void;
}

export class ManualClock implements Clock {
  #elapsedMs = 0;
  readonly #startMs: number;
  readonly #timers = new Set<WaitingTimer>();

  /** `startMs` is the time of day at which it starts, in milliseconds since 1970. */
  constructor(startMs = 0) {
    this.#startMs = startMs;
  }

  nowMs(): number {
    return this.#startMs + this.#elapsedMs;
  }

  monotonicMs(): number {
    return this.#elapsedMs;
  }

  setTimeout(callback: () => void, delayMs: number): Timer {
    const timer = { atMs: this.#elapsedMs + delayMs, callback };
    this.#timers.add(timer);
    return { cancel: () => this.#timers.delete(timer) };
  }

  /** Calls every timer that falls due on the way, in order of time. */
  advance(durationMs: number): void {
    const endMs = this.#elapsedMs + durationMs;
    for (let next = this.#firstBy(endMs); next !== undefined; next = this.#firstBy(endMs)) {
      this.#timers.delete(next);
      this.#elapsedMs = Math.max(this.#elapsedMs, next.atMs);
      next.callback();
    }
    this.#elapsedMs = endMs;
  }

  #firstBy(endMs: number): WaitingTimer | undefined {
    let first: WaitingTimer | undefined;
    for (const timer of this.#timers) {
      if (timer.atMs <= endMs && timer.atMs < (first?.atMs ?? Number.POSITIVE_INFINITY)) {
        first = timer;
      }
    }
    return first;
  }
}
