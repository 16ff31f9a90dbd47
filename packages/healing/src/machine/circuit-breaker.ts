/**
 * A breaker. Closed: what it stands for may be used. After so many failures in a row it is open: it
 * may not. After `BREAKER_OPEN_MS` it is half open: one use at a time is a test, and closes it or
 * opens it again. What counts as a failure, and how many it takes, is said by who holds it.
 */
import { BREAKER_OPEN_MS } from "../limits.js";

export interface Breaker {
  readonly failures: number;
  readonly openedAtMs: number | undefined;
  readonly isTesting: boolean;
}

export type BreakerState = "closed" | "open" | "half-open";
/** `unseen`: whether it helped could not be told, which speaks neither for nor against it. */
export type UseOutcome = "helped" | "failed" | "unseen";

export const CLOSED_BREAKER: Breaker = { failures: 0, openedAtMs: undefined, isTesting: false };

export function breakerState(breaker: Breaker, nowMs: number): BreakerState {
  if (breaker.openedAtMs === undefined) return "closed";
  return nowMs - breaker.openedAtMs < BREAKER_OPEN_MS ? "open" : "half-open";
}

export function mayUse(breaker: Breaker, nowMs: number): boolean {
  const state = breakerState(breaker, nowMs);
  return state === "closed" || (state === "half-open" && !breaker.isTesting);
}

export function begun(breaker: Breaker, nowMs: number): Breaker {
  return { ...breaker, isTesting: breakerState(breaker, nowMs) === "half-open" };
}

/** One more failure; it opens at `failuresMax`, and again after any that failed as a test. */
export function failedOnce(breaker: Breaker, failuresMax: number, nowMs: number): Breaker {
  const failures = breaker.failures + 1;
  const opens = failures >= failuresMax || breaker.openedAtMs !== undefined;
  return { failures, openedAtMs: opens ? nowMs : undefined, isTesting: false };
}

export function untested(breaker: Breaker): Breaker {
  return { ...breaker, isTesting: false };
}
