/**
 * A breaker of one remedy. Closed: it may be used. After `BREAKER_FAILURES` failures in a row it is
 * open: it may not. After `BREAKER_OPEN_MS` it is half open: one use at a time is a test, and
 * closes or opens it again.
 */
import { BREAKER_FAILURES, BREAKER_OPEN_MS } from "../limits.js";

export interface Breaker {
  readonly failures: number;
  readonly openedAtMs: number | undefined;
  readonly isTesting: boolean;
}

export const CLOSED_BREAKER: Breaker = { failures: 0, openedAtMs: undefined, isTesting: false };

export function breakerState(breaker: Breaker, nowMs: number): "closed" | "open" | "half-open" {
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

/** `unseen`: whether it helped could not be told, which speaks neither for nor against it. */
export function ended(
  breaker: Breaker,
  outcome: "helped" | "failed" | "unseen",
  nowMs: number,
): Breaker {
  if (outcome === "helped") return CLOSED_BREAKER;
  if (outcome === "unseen") return { ...breaker, isTesting: false };
  const failures = breaker.failures + 1;
  const opens = failures >= BREAKER_FAILURES || breaker.openedAtMs !== undefined;
  return { failures, openedAtMs: opens ? nowMs : undefined, isTesting: false };
}
