/**
 * When to try again. Exponential backoff with full jitter (Brooker, "Exponential Backoff And
 * Jitter", 2015): a whole mesh that lost its coordinator does not come back in one moment.
 */
import type { Random } from "@hearthmesh/core";

export interface ReconnectPolicy {
  /** Longest wait before the second attempt; it doubles with each further one. */
  readonly firstDelayMs: number;
  readonly delayMsMax: number;
}

export const RECONNECT_POLICY: ReconnectPolicy = { firstDelayMs: 500, delayMsMax: 5_000 };

/** Wait before the attempt after `failures` failed ones (at least 1), uniform in [0, bound). */
export function reconnectDelayMs(
  policy: ReconnectPolicy,
  failures: number,
  random: Random,
): number {
  // The exponent is cut so that a year of failures does not overflow.
  const bound = Math.min(policy.delayMsMax, policy.firstDelayMs * 2 ** Math.min(failures - 1, 30));
  return random.float() * bound;
}
