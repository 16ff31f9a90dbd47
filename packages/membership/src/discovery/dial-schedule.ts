/** When a candidate is dialled the next time. */
import type { Random } from "@hearthmesh/core";
import type { Candidate } from "./candidate.js";
import {
  DIAL_BACKOFF_BASE_MS,
  DIAL_BACKOFF_HEARD_MAX_MS,
  DIAL_BACKOFF_MAX_MS,
  DIAL_SPACING_MS,
  DIRECT_RETRY_MS,
} from "./limits.js";

/** Something new is known: try soon, and start the back-off anew. */
export function renew(candidate: Candidate, nowMs: number): void {
  candidate.attempts = 0;
  candidate.isSelf = false;
  candidate.nextDialMs = Math.max(nowMs, spacedMs(candidate));
}

/**
 * Full jitter over a span that doubles with each attempt (Brooker: "Exponential Backoff And
 * Jitter", 2015), never below the spacing of dials.
 */
export function backoffMs(candidate: Candidate, random: Random, nowMs: number): number {
  const { attempts, state, isRelayed, heardMs } = candidate;
  if (isRelayed || (state === "alive" && attempts > 1)) return aboutMs(DIRECT_RETRY_MS, random);
  const isHeard = heardMs !== undefined && nowMs - heardMs < DIAL_BACKOFF_HEARD_MAX_MS;
  const capMs = isHeard ? DIAL_BACKOFF_HEARD_MAX_MS : DIAL_BACKOFF_MAX_MS;
  const spanMs = Math.min(capMs, DIAL_BACKOFF_BASE_MS * 2 ** Math.min(attempts, 16));
  return Math.max(random.float() * spanMs, spacedMs(candidate) - nowMs, 0);
}

/** Half to one and a half of it. */
export function aboutMs(ms: number, random: Random): number {
  return ms * (0.5 + random.float());
}

function spacedMs({ lastDialMs }: Candidate): number {
  return lastDialMs === undefined ? Number.NEGATIVE_INFINITY : lastDialMs + DIAL_SPACING_MS;
}
