/**
 * Waits like `sleep`, and keeps the process alive meanwhile. Timers of the clock do not, and a
 * program that waits for a coordinator has nothing else: it would end in silence.
 */
import { type Clock, sleep } from "@hearthmesh/core";

/** The longest interval that a timer takes. */
const LONG_MS = 2 ** 31 - 1;

export async function sleepAlive(
  clock: Clock,
  delayMs: number,
  signal?: AbortSignal,
): Promise<void> {
  const alive = setInterval(() => undefined, LONG_MS);
  try {
    await sleep(clock, delayMs, signal);
  } finally {
    clearInterval(alive);
  }
}
