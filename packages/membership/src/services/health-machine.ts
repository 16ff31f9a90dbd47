/**
 * The health of one service or endpoint, without I/O.
 *
 * States: `unknown` (never looked), `ok`, `failing`. Events: a check that went well or not, and a
 * connection of a real request that could not be opened. Rules:
 *
 * - One success makes it `ok`.
 * - `HEALTH_FAILURES_MAX` failed checks one after the other make it `failing`.
 * - A request that could not connect makes it `failing` at once: who asks again should not have to
 *   wait for the next check.
 * - After a failure that did not decide, and after a request's failure, the next check comes after
 *   `HEALTH_RECHECK_MS`, otherwise after the interval, each with jitter of a tenth, so that the
 *   checks of many services do not fall together.
 *
 * Invariants: `ok` has no failures and no reason, `failing` has a reason; `failures` never goes
 * above `HEALTH_FAILURES_MAX`; what was `ok` or `failing` is never `unknown` again.
 *
 * Errors: none. Every event is allowed in every state.
 */
import { HEALTH_FAILURES_MAX, HEALTH_RECHECK_MS } from "./limits.js";

export interface HealthState {
  readonly health: "ok" | "failing" | "unknown";
  /** Failed checks since the last success. */
  readonly failures: number;
  /** Why it failed last; undefined while it is `ok`. */
  readonly reason: string | undefined;
}

export type HealthEvent =
  | { readonly type: "ok" }
  | { readonly type: "failed"; readonly reason: string }
  | { readonly type: "connect-failed"; readonly reason: string };

export const HEALTH_UNKNOWN: HealthState = { health: "unknown", failures: 0, reason: undefined };

export function stepHealth(state: HealthState, event: HealthEvent): HealthState {
  if (event.type === "ok") return { health: "ok", failures: 0, reason: undefined };
  const { reason } = event;
  if (event.type === "connect-failed") {
    return { health: "failing", failures: HEALTH_FAILURES_MAX, reason };
  }
  const failures = Math.min(state.failures + 1, HEALTH_FAILURES_MAX);
  return {
    health: failures >= HEALTH_FAILURES_MAX ? "failing" : state.health,
    failures,
    reason,
  };
}

/** Time until the next check. `chance` is uniform in [0, 1). */
export function nextCheckMs(state: HealthState, intervalMs: number, chance: number): number {
  const undecided = state.failures > 0 && state.failures < HEALTH_FAILURES_MAX;
  const baseMs = undecided ? Math.min(HEALTH_RECHECK_MS, intervalMs) : intervalMs;
  return baseMs * (0.9 + 0.2 * chance);
}
