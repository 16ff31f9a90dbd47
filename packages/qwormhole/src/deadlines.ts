/**
 * One timer for all deadlines of a link. A request does not make a timer of its own: the timer
 * stands at the earliest deadline known, and when it fires, `sweep` ends what is due and says what
 * is next.
 */
import type { LinkClock } from "./link.js";

export class Deadlines {
  readonly #clock: LinkClock;
  readonly #sweep: (nowMs: number) => number;
  #timer: { cancel(): void } | undefined;
  #armedMs = Number.POSITIVE_INFINITY;

  /** `sweep` returns the earliest deadline that is left, or infinity. */
  constructor(clock: LinkClock, sweep: (nowMs: number) => number) {
    this.#clock = clock;
    this.#sweep = sweep;
  }

  /** The monotonic time that lies `timeoutMs` ahead; the timer will be there in time. */
  after(timeoutMs: number): number {
    const nowMs = this.#clock.monotonicMs();
    const deadlineMs = nowMs + timeoutMs;
    if (deadlineMs < this.#armedMs) this.#arm(deadlineMs, nowMs);
    return deadlineMs;
  }

  stop(): void {
    this.#timer?.cancel();
    this.#timer = undefined;
    this.#armedMs = Number.POSITIVE_INFINITY;
  }

  #arm(deadlineMs: number, nowMs: number): void {
    this.#timer?.cancel();
    this.#armedMs = deadlineMs;
    const delayMs = Math.max(0, Math.ceil(deadlineMs - nowMs));
    this.#timer = this.#clock.setTimeout(() => this.#fire(), delayMs);
  }

  #fire(): void {
    this.#timer = undefined;
    this.#armedMs = Number.POSITIVE_INFINITY;
    const nowMs = this.#clock.monotonicMs();
    const nextMs = this.#sweep(nowMs);
    if (nextMs < this.#armedMs) this.#arm(nextMs, nowMs);
  }
}
