/**
 * How long a lock may still be acted on, and when it is renewed. Pure; times are of the monotonic
 * clock.
 *
 * States: held -> held (a renewal was acknowledged) -> lost, which is final.
 * Events: `renewed` (with the time at which that renewal was *sent*), `failed` (it was not
 * answered; it may have arrived), `refused` (the coordinator says that somebody else may hold it).
 * Invariant: at any moment at most `ttlMs` have passed since the sending of a renewal that was
 * acknowledged, or the hold is lost. The coordinator counts from the arrival, which is later, so
 * the holder stops before another one can begin, as long as both clocks run at about the same
 * speed; `MARGIN` is for the difference. What neither clock sees (a machine that slept) the fencing
 * token does: see C. Gray, D. Cheriton, "Leases" (1989), and M. Kleppmann, "How to do distributed
 * locking" (2016).
 */

/** Of the time to live: a renewal is sent after a third, so that two may fail. */
const RENEW_AFTER = 1 / 3;
const MARGIN = 0.05;
/** Between attempts that were not answered. */
const RETRY_AFTER = 1 / 12;
const RETRY_MS_MAX = 1_000;

export type HoldStep =
  | { readonly do: "wait"; readonly untilMs: number }
  | { readonly do: "renew"; readonly deadlineMs: number }
  | { readonly do: "lose" };

export class LockHold {
  readonly #ttlMs: number;
  #acknowledgedMs: number;
  #renewAtMs: number;
  #isLost = false;

  /** `sentAtMs`: when the request was sent that the coordinator answered with the lock. */
  constructor(ttlMs: number, sentAtMs: number) {
    this.#ttlMs = ttlMs;
    this.#acknowledgedMs = sentAtMs;
    this.#renewAtMs = sentAtMs + ttlMs * RENEW_AFTER;
  }

  /** After it nothing may be done under the lock any more. */
  get deadlineMs(): number {
    return this.#acknowledgedMs + this.#ttlMs * (1 - MARGIN);
  }

  /** What is to be done now. */
  next(nowMs: number): HoldStep {
    if (this.#isLost || nowMs >= this.deadlineMs) {
      this.#isLost = true;
      return { do: "lose" };
    }
    if (nowMs >= this.#renewAtMs) return { do: "renew", deadlineMs: this.deadlineMs };
    return { do: "wait", untilMs: Math.min(this.#renewAtMs, this.deadlineMs) };
  }

  /** An answer to an attempt that was sent before the last one that counted changes nothing. */
  renewed(sentAtMs: number): void {
    if (sentAtMs <= this.#acknowledgedMs) return;
    this.#acknowledgedMs = sentAtMs;
    this.#renewAtMs = sentAtMs + this.#ttlMs * RENEW_AFTER;
  }

  failed(nowMs: number): void {
    this.#renewAtMs = nowMs + Math.min(this.#ttlMs * RETRY_AFTER, RETRY_MS_MAX);
  }

  refused(): void {
    this.#isLost = true;
  }
}
