/** The near end of `store-server.ts`: what a client of a recording uses. */
import { connect, type Socket } from "node:net";
import { type Clock, fromErrorRecord, limits, MeshError } from "@hearthmesh/core";
import type {
  KeyRange,
  KeyValue,
  Lease,
  RangeOptions,
  RangeResult,
  Transaction,
  TransactionResult,
  WatchBatch,
} from "../../types.js";
import type { RecordedStore } from "./perform.js";
import { encodeLine, onLines } from "./socket-lines.js";
import type { StoreRequest } from "./store-server.js";

export interface RemoteStoreOptions {
  /** Of the socket. */
  readonly path: string;
  readonly clock: Clock;
  /** Without an answer for so long, the outcome of a call is unknown. */
  readonly timeoutMs: number;
}

type Message = Record<string, unknown>;
type Question = Omit<StoreRequest, "id">;
export type RemoteStore = RecordedStore & { close(): Promise<void> };

/**
 * `MESH_STORE_UNAVAILABLE` when the question was never sent; `MESH_STORE_RESULT_UNKNOWN` when it
 * was, and no answer came. It connects anew at each call when it has to.
 */
export function remoteStore(options: RemoteStoreOptions): RemoteStore {
  const line = new Line(options);
  const lease = (id: number, ttlMs: number): Lease => {
    const use = async (call: "keepAlive" | "revoke") => {
      const answer = await line.ask({ call, lease: id });
      if (answer === "unknown") throw new MeshError("MESH_STORE_LEASE_UNKNOWN");
    };
    return { id, ttlMs, keepAlive: () => use("keepAlive"), revoke: () => use("revoke") };
  };
  return {
    get: async (key: string) => (await line.ask({ call: "get", key })) as KeyValue | undefined,
    range: async (range: KeyRange, ranged: RangeOptions = {}) =>
      (await line.ask({ call: "range", range, options: ranged })) as RangeResult,
    transact: async (transaction: Transaction) =>
      (await line.ask({ call: "transact", transaction })) as TransactionResult,
    grantLease: async (ttlMs: number) =>
      lease((await line.ask({ call: "grant", ttlMs })) as number, ttlMs),
    watch: (range: KeyRange, { signal, ...rest }: WatchOptions = {}) =>
      line.watch({ call: "watch", range, options: rest }, signal),
    close: async () => line.close(),
  };
}

interface WatchOptions {
  fromRevision?: number;
  signal?: AbortSignal;
}

class Line {
  readonly #options: RemoteStoreOptions;
  readonly #waiting = new Map<number, (message: Message) => void>();
  #socket: Promise<Socket> | undefined;
  #nextId = 1;

  constructor(options: RemoteStoreOptions) {
    this.#options = options;
  }

  async ask(question: Question): Promise<unknown> {
    const socket = await this.#connected();
    if (socket.destroyed) throw new MeshError("MESH_STORE_UNAVAILABLE");
    const id = this.#nextId++;
    const answer = await new Promise<Message>((resolve) => {
      const timer = this.#options.clock.setTimeout(() => {
        resolve(lost("no answer came in time"));
      }, this.#options.timeoutMs);
      this.#waiting.set(id, (message) => {
        timer.cancel();
        resolve(message);
      });
      socket.write(encodeLine({ id, ...question }));
    });
    this.#waiting.delete(id);
    if (answer.error !== undefined) throw fromErrorRecord(answer.error);
    return answer.value;
  }

  async *watch(question: Question, signal?: AbortSignal): AsyncGenerator<WatchBatch> {
    const socket = await this.#connected();
    const id = this.#nextId++;
    const queue: Message[] = [];
    let wake = () => {};
    const push = (message: Message) => {
      if (queue.length >= limits.STORE_RANGE_ENTRIES_MAX) socket.destroy();
      else queue.push(message);
      wake();
    };
    const onAbort = () => push({});
    this.#waiting.set(id, push);
    signal?.addEventListener("abort", onAbort, { once: true });
    socket.write(encodeLine({ id, ...question }));
    try {
      while (signal?.aborted !== true) {
        const message = queue.shift();
        if (message === undefined) {
          await new Promise<void>((resolve) => {
            wake = resolve;
          });
        } else if (message.batch !== undefined) yield message.batch as WatchBatch;
        else if (message.error !== undefined) throw fromErrorRecord(message.error);
        else return;
      }
    } finally {
      signal?.removeEventListener("abort", onAbort);
      this.#waiting.delete(id);
      if (!socket.destroyed) socket.write(encodeLine({ id, call: "end" }));
    }
  }

  close(): void {
    this.#socket?.then(
      (socket) => socket.destroy(),
      () => {},
    );
  }

  #connected(): Promise<Socket> {
    this.#socket ??= this.#connect();
    return this.#socket;
  }

  async #connect(): Promise<Socket> {
    const socket = connect(this.#options.path);
    try {
      await new Promise<void>((resolve, reject) => {
        socket.once("connect", resolve);
        socket.once("error", reject);
      });
    } catch (cause) {
      this.#socket = undefined;
      throw new MeshError("MESH_STORE_UNAVAILABLE", { cause });
    }
    socket.on("error", () => socket.destroy());
    socket.on("close", () => {
      this.#socket = undefined;
      for (const settle of this.#waiting.values()) settle(lost("the connection broke"));
      this.#waiting.clear();
    });
    onLines(socket, (message) => this.#waiting.get(message.id as number)?.(message));
    return socket;
  }
}

function lost(message: string): Message {
  return { error: { code: "MESH_STORE_RESULT_UNKNOWN", message } };
}
