/** Waiting for something that others do, without an event of its own. */
import { type Clock, sleep } from "@hearthmesh/core";
import { PATIENCE_LOOK_MS } from "./limits.js";

/** True as soon as it holds, false after the time. Rejects with the signal's reason. */
export async function holdsWithin(
  holds: () => boolean,
  withinMs: number,
  { clock, signal }: { readonly clock: Clock; readonly signal: AbortSignal },
): Promise<boolean> {
  const untilMs = clock.monotonicMs() + withinMs;
  while (!holds()) {
    const leftMs = untilMs - clock.monotonicMs();
    if (leftMs <= 0) return false;
    await sleep(clock, Math.min(PATIENCE_LOOK_MS, leftMs), signal);
  }
  return true;
}
