/** A store served over a local socket, so that the process that has it can be killed or stopped. */
import { createServer, type Server, type Socket } from "node:net";
import { toErrorRecord } from "@hearthmesh/core";
import type { KeyRange, Lease, RangeOptions, Store, Transaction } from "../../types.js";
import { encodeLine, onLines } from "./socket-lines.js";

/** A question of `remote-store.ts`. */
export interface StoreRequest {
  readonly id: number;
  readonly call: "get" | "range" | "transact" | "grant" | "keepAlive" | "revoke" | "watch" | "end";
  readonly key?: string;
  readonly range?: KeyRange;
  readonly options?: RangeOptions & { fromRevision?: number };
  readonly transaction?: Transaction;
  readonly ttlMs?: number;
  readonly lease?: number;
}

/** Listens at the path of a socket. The store stays the caller's. */
export function serveStore(store: Store, path: string): Promise<Server> {
  const leases = new Map<number, Lease>();
  const server = createServer((socket) => new Connection(store, leases, socket));
  return new Promise((resolve, reject) => {
    server.once("error", reject);
    server.listen(path, () => resolve(server));
  });
}

class Connection {
  readonly #store: Store;
  readonly #leases: Map<number, Lease>;
  readonly #socket: Socket;
  readonly #watches = new Map<number, AbortController>();

  constructor(store: Store, leases: Map<number, Lease>, socket: Socket) {
    this.#store = store;
    this.#leases = leases;
    this.#socket = socket;
    onLines(socket, (message) => void this.#take(message as unknown as StoreRequest));
    socket.on("error", () => socket.destroy());
    socket.on("close", () => {
      for (const watch of this.#watches.values()) watch.abort();
    });
  }

  async #take(request: StoreRequest): Promise<void> {
    const { id } = request;
    try {
      const value = await this.#answer(request);
      this.#send({ id, value });
    } catch (error) {
      this.#send({ id, error: toErrorRecord(error) });
    }
  }

  #answer(request: StoreRequest): Promise<unknown> {
    const { call, key = "", range = { prefix: "" }, options, lease = 0, ttlMs = 0 } = request;
    switch (call) {
      case "get":
        return this.#store.get(key);
      case "range":
        return this.#store.range(range, options);
      case "transact":
        return this.#store.transact(request.transaction ?? { success: [] });
      case "grant":
        return this.#grant(ttlMs);
      case "keepAlive":
      case "revoke":
        return this.#useLease(call, lease);
      case "watch":
        return this.#watch(request);
      case "end":
        this.#watches.get(request.id)?.abort();
        return Promise.resolve();
    }
  }

  async #grant(ttlMs: number): Promise<number> {
    const lease = await this.#store.grantLease(ttlMs);
    this.#leases.set(lease.id, lease);
    return lease.id;
  }

  /** Also one that an earlier process granted; `unknown` for one that has ended. */
  async #useLease(call: "keepAlive" | "revoke", id: number): Promise<string | undefined> {
    const lease = this.#leases.get(id) ?? (await this.#store.findLease(id));
    if (lease === undefined) return "unknown";
    await lease[call]();
    return undefined;
  }

  async #watch({ id, range = { prefix: "" }, options }: StoreRequest): Promise<void> {
    const watch = new AbortController();
    this.#watches.set(id, watch);
    const from = options?.fromRevision;
    const start = { signal: watch.signal, ...(from === undefined ? {} : { fromRevision: from }) };
    try {
      for await (const batch of this.#store.watch(range, start)) {
        if (!this.#send({ id, batch })) await this.#drained();
      }
    } finally {
      this.#watches.delete(id);
    }
  }

  #send(message: object): boolean {
    return this.#socket.destroyed || this.#socket.write(encodeLine(message));
  }

  #drained(): Promise<void> {
    return new Promise((resolve) => {
      const done = () => {
        this.#socket.off("drain", done);
        this.#socket.off("close", done);
        resolve();
      };
      this.#socket.once("drain", done);
      this.#socket.once("close", done);
    });
  }
}
