/** Those who wait for a connection: calls of `connect`, and requests that came before one. */
import { QWormholeError } from "../errors.js";
import type { LinkClock } from "../link.js";
import type { QWormholeConnection } from "./connection.js";

interface Waiter<T> {
  readonly resolve: (connection: QWormholeConnection<T>) => void;
  readonly reject: (error: Error) => void;
}

export class ConnectionWait<T> {
  readonly #waiters = new Set<Waiter<T>>();

  /** Rejects when the client ends, with `QW_NOT_CONNECTED` after the time, or `QW_CANCELLED`. */
  next(
    limit: { clock: LinkClock; timeoutMs: number } | undefined,
    signal: AbortSignal | undefined,
  ): Promise<QWormholeConnection<T>> {
    return new Promise((resolve, reject) => {
      const settle = () => {
        this.#waiters.delete(waiter);
        timer?.cancel();
        signal?.removeEventListener("abort", onAbort);
      };
      const fail = (error: Error) => {
        settle();
        reject(error);
      };
      const waiter: Waiter<T> = {
        resolve: (connection) => {
          settle();
          resolve(connection);
        },
        reject: fail,
      };
      const onAbort = () => fail(new QWormholeError("QW_CANCELLED", { cause: signal?.reason }));
      const timer = limit?.clock.setTimeout(
        () => fail(new QWormholeError("QW_NOT_CONNECTED")),
        limit.timeoutMs,
      );
      this.#waiters.add(waiter);
      signal?.addEventListener("abort", onAbort, { once: true });
      if (signal?.aborted) onAbort();
    });
  }

  settle(connection: QWormholeConnection<T>): void {
    for (const waiter of this.#waiters) waiter.resolve(connection);
  }

  fail(error: Error): void {
    for (const waiter of this.#waiters) waiter.reject(error);
  }
}
