/**
 * A store behind a network that a test controls: every call is a request and an answer, which wait
 * until the test delivers or loses them. What was lost ends as `MESH_STORE_RESULT_UNKNOWN`, because
 * a caller cannot know which of the two it was.
 */
import { MeshError } from "@hearthmesh/core";
import type { Lease, Store, WatchBatch } from "../types.js";

/** One half of a call that is on its way. */
export interface PendingMessage {
  readonly kind: "request" | "answer";
  readonly method: string;
  deliver(): void;
  lose(): void;
}

export class ScheduledStore implements Store {
  readonly pending = new Set<PendingMessage>();
  readonly #store: Store;

  constructor(store: Store) {
    this.#store = store;
  }

  get(...rest: Parameters<Store["get"]>): ReturnType<Store["get"]> {
    return this.#call("get", () => this.#store.get(...rest));
  }

  range(...rest: Parameters<Store["range"]>): ReturnType<Store["range"]> {
    return this.#call("range", () => this.#store.range(...rest));
  }

  transact(...rest: Parameters<Store["transact"]>): ReturnType<Store["transact"]> {
    return this.#call("transact", () => this.#store.transact(...rest));
  }

  async grantLease(ttlMs: number): Promise<Lease> {
    return this.#onTheWay(await this.#call("grantLease", () => this.#store.grantLease(ttlMs)));
  }

  async findLease(leaseId: number): Promise<Lease | undefined> {
    const lease = await this.#call("findLease", () => this.#store.findLease(leaseId));
    return lease === undefined ? undefined : this.#onTheWay(lease);
  }

  #onTheWay(lease: Lease): Lease {
    return {
      id: lease.id,
      ttlMs: lease.ttlMs,
      keepAlive: () => this.#call("keepAlive", () => lease.keepAlive()),
      revoke: () => this.#call("revoke", () => lease.revoke()),
    };
  }

  async *watch(...rest: Parameters<Store["watch"]>): AsyncGenerator<WatchBatch, void, void> {
    for await (const batch of this.#store.watch(...rest)) {
      await this.#message("answer", "watch");
      yield batch;
    }
  }

  compact(revision: number): Promise<void> {
    return this.#call("compact", () => this.#store.compact(revision));
  }

  status(): ReturnType<Store["status"]> {
    return this.#call("status", () => this.#store.status());
  }

  close(): Promise<void> {
    return this.#store.close();
  }

  /** As when the process dies: nothing that waits will ever be told, requests may still arrive. */
  forget(): void {
    for (const message of this.pending) if (message.kind === "answer") this.pending.delete(message);
  }

  async #call<T>(method: string, work: () => Promise<T>): Promise<T> {
    await this.#message("request", method);
    const outcome = await work().then(
      (value) => ({ value }),
      (error: unknown) => ({ error }),
    );
    await this.#message("answer", method);
    if ("error" in outcome) throw outcome.error;
    return outcome.value;
  }

  #message(kind: PendingMessage["kind"], method: string): Promise<void> {
    return new Promise((resolve, reject) => {
      const end = (how: () => void) => () => {
        if (this.pending.delete(message)) how();
      };
      const message: PendingMessage = {
        kind,
        method,
        deliver: end(resolve),
        lose: end(() => reject(new MeshError("MESH_STORE_RESULT_UNKNOWN"))),
      };
      this.pending.add(message);
    });
  }
}
