/** Waiting by the clock that is handed in, for what gives no event. */
import { QWormholeError } from "./errors.js";
import type { LinkClock } from "./link.js";

export interface PollOptions {
  readonly clock: LinkClock;
  readonly pollMs: number;
  readonly waitMs: number;
  readonly signal: AbortSignal | undefined;
  /** Called when the first look found nothing; its answer when the waiting is over. */
  keepAlive(): (() => void) | undefined;
  onTimeout(): Error;
}

/**
 * Resolves with the first answer of `find` that is not undefined. Rejects with what `onTimeout`
 * makes after `waitMs`, and with `QW_CANCELLED` when the signal is aborted.
 */
export async function pollUntil<T>(find: () => T | undefined, options: PollOptions): Promise<T> {
  const { clock, signal } = options;
  const untilMs = clock.monotonicMs() + options.waitMs;
  let release: (() => void) | undefined;
  try {
    for (;;) {
      if (signal?.aborted) throw cancelled(signal);
      const found = find();
      if (found !== undefined) return found;
      const leftMs = untilMs - clock.monotonicMs();
      if (leftMs <= 0) throw options.onTimeout();
      release ??= options.keepAlive();
      await sleep(clock, Math.min(options.pollMs, leftMs), signal);
    }
  } finally {
    release?.();
  }
}

/** Rejects with `QW_DIAL_TIMEOUT` or `QW_CANCELLED` when the work takes too long. */
export async function withinTime<T>(
  work: Promise<T>,
  clock: LinkClock,
  waitMs: number,
  signal: AbortSignal | undefined,
): Promise<T> {
  const over = new AbortController();
  const anyEnd = signal === undefined ? over.signal : AbortSignal.any([signal, over.signal]);
  const giveUp = sleep(clock, waitMs, anyEnd).then(() => {
    throw signal?.aborted ? cancelled(signal) : new QWormholeError("QW_DIAL_TIMEOUT");
  });
  try {
    return await Promise.race([work, giveUp]);
  } finally {
    over.abort();
  }
}

/** Resolves early when the signal is aborted. */
function sleep(clock: LinkClock, delayMs: number, signal?: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const done = () => {
      timer.cancel();
      signal?.removeEventListener("abort", done);
      resolve();
    };
    const timer = clock.setTimeout(done, delayMs);
    signal?.addEventListener("abort", done, { once: true });
    if (signal?.aborted) done();
  });
}

function cancelled(signal: AbortSignal): QWormholeError {
  return new QWormholeError("QW_CANCELLED", { cause: signal.reason });
}
