/**
 * A token bucket that may go into debt. What is sent takes its tokens after the decision, whatever
 * its size, and the next send waits until the debt is paid back. So a message larger than the
 * bucket still goes, and the long-run rate is exact for any mix of sizes: over any time of T
 * seconds at most `perSec * T + burst` plus one message. Pure: the caller hands in the time.
 */
import { QWormholeError } from "./errors.js";
import { DEADLINE_MS_MAX } from "./limits.js";

export interface TokenBucketOptions {
  /** Tokens (bytes, messages) that are earned each second. */
  perSec: number;
  /**
   * Most tokens that are saved up while nothing is sent. Below what is earned in the time that a
   * timer may come late (about 10 ms), the rate falls short, because those tokens are lost.
   */
  burst: number;
}

/** A shorter wait could be lost in the rounding of a clock's number, and no clock shows it. */
const WAIT_MS_MIN = 0.001;

export class TokenBucket {
  readonly #perMs: number;
  readonly #burst: number;
  /** Fractions are kept; only differences of the clock are added, so that nothing drifts. */
  #tokens: number;
  #atMs: number;

  /**
   * A full bucket. `nowMs` is of a monotonic clock. Throws `QW_OPTIONS_INVALID` unless both
   * numbers are above zero and finite.
   */
  constructor(options: TokenBucketOptions, nowMs: number) {
    const { perSec, burst } = options;
    if (!isAboveZero(perSec)) throw invalid("`perSec`", perSec, "above zero");
    if (!isAboveZero(burst)) throw invalid("`burst`", burst, "above zero");
    this.#perMs = perSec / 1000;
    this.#burst = burst;
    this.#tokens = burst;
    this.#atMs = nowMs;
  }

  /**
   * 0 when something of any size may go now, else the milliseconds (with a fraction, at most
   * `DEADLINE_MS_MAX`) after which to ask again: until the balance is above zero.
   */
  waitMs(nowMs: number): number {
    this.#earn(nowMs);
    if (this.#tokens > 0) return 0;
    const wait = -this.#tokens / this.#perMs;
    return Math.min(Math.max(wait, WAIT_MS_MIN), DEADLINE_MS_MAX);
  }

  /** Takes always, and into debt where the balance is short. Throws `QW_OPTIONS_INVALID`. */
  take(amount: number, nowMs: number): void {
    if (!(amount >= 0 && Number.isFinite(amount)))
      throw invalid("an amount", amount, "zero or above");
    this.#earn(nowMs);
    this.#tokens -= amount;
  }

  #earn(nowMs: number): void {
    // A clock that stands still, or goes back, gives nothing; from there it counts again.
    const elapsedMs = nowMs - this.#atMs;
    this.#atMs = nowMs;
    if (elapsedMs <= 0) return;
    this.#tokens = Math.min(this.#burst, this.#tokens + elapsedMs * this.#perMs);
  }
}

function isAboveZero(value: unknown): value is number {
  return typeof value === "number" && value > 0 && Number.isFinite(value);
}

function invalid(name: string, value: unknown, range: string): QWormholeError {
  const message = `${name} of a rate limit is ${String(value)}; it has to be finite and ${range}`;
  return new QWormholeError("QW_OPTIONS_INVALID", { message });
}
