/** Waiting with an end: for a signal, a deadline, or a failure that may pass. */
import { setMaxListeners } from "node:events";
import {
  type Clock,
  type ErrorCode,
  isMeshError,
  MeshError,
  type Random,
  sleep,
} from "@hearthmesh/core";

/** The promise, or the signal's reason when it is aborted before. The work itself goes on. */
export function withSignal<Value>(
  promise: Promise<Value>,
  signal: AbortSignal | undefined,
): Promise<Value> {
  if (signal === undefined) return promise;
  return new Promise((resolve, reject) => {
    const onAbort = () => reject(signal.reason);
    if (signal.aborted) onAbort();
    else signal.addEventListener("abort", onAbort, { once: true });
    promise.then(resolve, reject).finally(() => signal.removeEventListener("abort", onAbort));
  });
}

/**
 * Runs work that ends when its signal is aborted: by the outer signal, or by `MESH_TIMEOUT` after
 * `timeoutMs`. Work that ignores its signal is left behind and its late answer dropped.
 */
export async function withTimeout<Value>(
  clock: Clock,
  timeoutMs: number,
  outer: AbortSignal | undefined,
  work: (signal: AbortSignal) => Promise<Value>,
): Promise<Value> {
  outer?.throwIfAborted();
  const inner = new AbortController();
  const onAbort = () => inner.abort(outer?.reason);
  outer?.addEventListener("abort", onAbort, { once: true });
  const timer = clock.setTimeout(() => {
    inner.abort(new MeshError("MESH_TIMEOUT", { message: `no answer in ${timeoutMs} ms` }));
  }, timeoutMs);
  try {
    return await withSignal(work(inner.signal), inner.signal);
  } finally {
    timer.cancel();
    outer?.removeEventListener("abort", onAbort);
  }
}

/** A controller for work with many parts, each of which listens to its signal. */
export function newStop(): AbortController {
  const stop = new AbortController();
  setMaxListeners(0, stop.signal);
  return stop;
}

/** A promise with its handles outside. */
export interface Deferred<Value> {
  readonly promise: Promise<Value>;
  resolve(value: Value): void;
  reject(error: unknown): void;
}

/** Its rejection counts as handled, because it may come before anybody waits for it. */
export function deferred<Value>(): Deferred<Value> {
  let resolve: (value: Value) => void = () => undefined;
  let reject: (error: unknown) => void = () => undefined;
  const promise = new Promise<Value>((onValue, onError) => {
    resolve = onValue;
    reject = onError;
  });
  promise.catch(() => undefined);
  return { promise, resolve, reject };
}

const PASSING: readonly ErrorCode[] = [
  "MESH_UNREACHABLE",
  "MESH_TIMEOUT",
  "MESH_STOPPING",
  "MESH_STORE_BUSY",
  "MESH_STORE_CLOSED",
  "MESH_STORE_UNAVAILABLE",
  "MESH_NOT_LEADER",
];

/** Whether the same question may be answered a little later. */
export function mayPass(error: unknown): boolean {
  return PASSING.some((code) => isMeshError(error, code));
}

export interface RetryOptions {
  clock: Clock;
  random: Random;
  signal?: AbortSignal | undefined;
  /** No new attempt is begun after this time. */
  withinMs: number;
}

/**
 * Repeats work that failed for a reason that may pass, with full jitter between the attempts
 * (AWS Architecture Blog, "Exponential Backoff and Jitter"). Only for work that may be done twice.
 */
export async function retrying<Value>(
  options: RetryOptions,
  work: (attempt: number) => Promise<Value>,
): Promise<Value> {
  const endMs = options.clock.monotonicMs() + options.withinMs;
  for (let attempt = 0; ; attempt++) {
    try {
      return await work(attempt);
    } catch (error) {
      options.signal?.throwIfAborted();
      const delayMs = Math.max(50, options.random.float() * Math.min(2_000, 200 * 2 ** attempt));
      if (!mayPass(error) || options.clock.monotonicMs() + delayMs > endMs) throw error;
      await sleep(options.clock, delayMs, options.signal);
    }
  }
}

/** The text of an error for a list of reasons; never a stack. */
export function reasonOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
