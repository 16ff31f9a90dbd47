/** Requests that wait for a ring to be ready, each until its caller goes. */
import { MeshError } from "@hearthmesh/core";
import type { RingWorker } from "../ring/ring-worker.js";

interface Waiter {
  resolve(worker: RingWorker): void;
  reject(error: MeshError): void;
}

export class RingWaiters {
  readonly #waiters = new Set<Waiter>();

  wait(signal: AbortSignal): Promise<RingWorker> {
    return new Promise((resolve, reject) => {
      const end = () => {
        this.#waiters.delete(waiter);
        signal.removeEventListener("abort", onAbort);
      };
      const waiter: Waiter = {
        resolve: (ready) => {
          end();
          resolve(ready);
        },
        reject: (error) => {
          end();
          reject(error);
        },
      };
      const onAbort = () => waiter.reject(new MeshError("MESH_CANCELLED"));
      signal.addEventListener("abort", onAbort, { once: true });
      this.#waiters.add(waiter);
    });
  }

  /** Everybody gets the worker, or why there is none. */
  settle(answer: RingWorker | MeshError): void {
    for (const waiter of [...this.#waiters]) {
      if (answer instanceof MeshError) waiter.reject(answer);
      else waiter.resolve(answer);
    }
  }
}
