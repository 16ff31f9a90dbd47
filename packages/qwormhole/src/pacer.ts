/**
 * Holds one direction of a link to its rate limits: asks the buckets, takes what went, and calls
 * `onReady` once when the wait is over.
 *
 * Buckets may be shared by several links, whose waits then end together. Who went last waits a
 * millisecond longer than the others, so that they take turns.
 */
import type { LinkClock, RateBucket } from "./link.js";

export class Pacer {
  readonly #buckets: readonly RateBucket[];
  readonly #clock: LinkClock;
  readonly #onReady: () => void;
  #timer: { cancel(): void } | undefined;
  #wentLast = false;

  constructor(buckets: readonly RateBucket[], clock: LinkClock, onReady: () => void) {
    this.#buckets = buckets;
    this.#clock = clock;
    this.#onReady = onReady;
  }

  get hasLimits(): boolean {
    return this.#buckets.length > 0;
  }

  /** False: wait for `onReady`. */
  mayGo(): boolean {
    if (this.#timer !== undefined) return false;
    const nowMs = this.#clock.monotonicMs();
    let waitMs = 0;
    for (const bucket of this.#buckets) waitMs = Math.max(waitMs, bucket.waitMs(nowMs));
    if (waitMs <= 0) return true;
    // More than the wait, for exactly then the balance is zero and not above it.
    const turnMs = this.#wentLast ? 2 : 1;
    this.#wentLast = false;
    this.#timer = this.#clock.setTimeout(() => {
      this.#timer = undefined;
      this.#onReady();
    }, Math.floor(waitMs) + turnMs);
    return false;
  }

  /** `isTurn` is false for what went without asking. */
  take(amount: number, isTurn = true): void {
    if (amount === 0) return;
    if (isTurn) this.#wentLast = true;
    const nowMs = this.#clock.monotonicMs();
    for (const bucket of this.#buckets) bucket.take(amount, nowMs);
  }

  stop(): void {
    this.#timer?.cancel();
    this.#timer = undefined;
  }
}
