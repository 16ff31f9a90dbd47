/**
 * One connection to one endpoint of etcd: an HTTP/2 channel and the calls under way on it. It uses
 * gRPC's channel below the generated clients: a call then costs no event emitter and no captured
 * stack, and a stream reads its next message only when it is asked to.
 *
 * Time limits are kept here, by the clock that was handed in and with one timer for all calls, and
 * not by gRPC, whose deadlines are times of day.
 */

import type * as Grpc from "@grpc/grpc-js";
import type { Clock, Timer } from "@hearthmesh/core";
import { STALL_MS, SWEEP_MS } from "./etcd-limits.js";
import type { Method } from "./protocol.js";
import { GRPC, RpcFailure } from "./rpc-failure.js";

type Channel = InstanceType<typeof Grpc.Channel>;
type RawCall = ReturnType<Channel["createCall"]>;

interface Pending {
  readonly call: RawCall;
  readonly sentMs: number;
  readonly deadlineMs: number;
  readonly fail: (failure: RpcFailure) => void;
}

export interface ConnectionOptions {
  readonly channel: Channel;
  readonly endpoint: string;
  readonly clock: Clock;
  /** Calls wait, and nothing has come for `STALL_MS`. */
  readonly onStall: (connection: EtcdConnection) => void;
}

/** What a stream tells. After `ended` nothing more comes. */
export interface StreamListener<Response> {
  message(response: Response, bytes: number): void;
  /** Nothing for a stream that ended well. */
  ended(failure: RpcFailure | undefined): void;
}

export interface RpcStream<Request> {
  send(request: Request): void;
  /** No further message is sent. */
  halfClose(): void;
  /** Asks for one more message. */
  read(): void;
  cancel(): void;
}

export class EtcdConnection {
  readonly endpoint: string;
  readonly #channel: Channel;
  readonly #clock: Clock;
  readonly #onStall: (connection: EtcdConnection) => void;
  readonly #pending = new Set<Pending>();
  #sweeper: Timer | undefined;
  #lastHeardMs: number;
  #closed = false;

  constructor({ channel, endpoint, clock, onStall }: ConnectionOptions) {
    this.#channel = channel;
    this.endpoint = endpoint;
    this.#clock = clock;
    this.#onStall = onStall;
    this.#lastHeardMs = clock.monotonicMs();
  }

  /** Calls `lost` once when the connection, which must be there now, breaks. */
  whenLost(lost: () => void): void {
    const ready = this.#channel.getConnectivityState(false);
    try {
      this.#channel.watchConnectivityState(ready, Number.POSITIVE_INFINITY, lost);
    } catch {
      lost();
    }
  }

  /** One question, one answer. Rejects with `RpcFailure` alone. */
  unary<Request, Response>(
    method: Method<Request, Response>,
    request: Request,
    metadata: Grpc.Metadata,
    timeoutMs: number,
  ): Promise<Response> {
    return new Promise<Response>((resolve, reject) => {
      const bytes = method.serialize(request);
      const call = this.#start(method.path);
      const sentMs = this.#clock.monotonicMs();
      let answer: Response | undefined;
      const entry: Pending = { call, sentMs, deadlineMs: sentMs + timeoutMs, fail: reject };
      this.#pending.add(entry);
      this.#arm();
      call.start(metadata, {
        onReceiveMetadata() {},
        onReceiveMessage: (message: Buffer) => {
          this.#lastHeardMs = this.#clock.monotonicMs();
          try {
            answer = method.deserialize(message);
          } catch (error) {
            this.#giveUp(entry, GRPC.internal, `the answer cannot be read: ${String(error)}`);
          }
        },
        onReceiveStatus: ({ code, details }) => {
          this.#pending.delete(entry);
          if (code === GRPC.ok && answer !== undefined) {
            resolve(answer);
            return;
          }
          if (details.startsWith("etcdserver:")) this.#lastHeardMs = this.#clock.monotonicMs();
          reject(new RpcFailure(code, details));
        },
      });
      call.sendMessageWithContext({}, bytes);
      call.startRead();
      call.halfClose();
    });
  }

  /** A stream has no time limit of its own; the connection's pings find a dead peer. */
  stream<Request, Response>(
    method: Method<Request, Response>,
    metadata: Grpc.Metadata,
    listener: StreamListener<Response>,
  ): RpcStream<Request> {
    const call = this.#start(method.path);
    call.start(metadata, {
      onReceiveMetadata() {},
      onReceiveMessage: (message: Buffer) => {
        this.#lastHeardMs = this.#clock.monotonicMs();
        let response: Response;
        try {
          response = method.deserialize(message);
        } catch (error) {
          call.cancelWithStatus(GRPC.internal, `the answer cannot be read: ${String(error)}`);
          return;
        }
        listener.message(response, message.length);
      },
      onReceiveStatus: ({ code, details }) =>
        listener.ended(code === GRPC.ok ? undefined : new RpcFailure(code, details)),
    });
    return {
      send: (request) => call.sendMessageWithContext({}, method.serialize(request)),
      halfClose: () => call.halfClose(),
      read: () => call.startRead(),
      cancel: () => call.cancelWithStatus(GRPC.cancelled, "ended by this side"),
    };
  }

  /** Calls under way fail. */
  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#sweeper?.cancel();
    this.#channel.close();
    for (const entry of [...this.#pending]) this.#giveUp(entry, GRPC.cancelled, "closed");
  }

  get idle(): boolean {
    return this.#pending.size === 0;
  }

  #start(path: string): RawCall {
    if (this.#closed) throw new RpcFailure(GRPC.unavailable, "the connection is closed", false);
    try {
      return this.#channel.createCall(path, Number.POSITIVE_INFINITY, null, null, null);
    } catch (cause) {
      throw new RpcFailure(GRPC.unavailable, String(cause), false);
    }
  }

  #giveUp(entry: Pending, code: number, why: string): void {
    this.#pending.delete(entry);
    entry.fail(new RpcFailure(code, why));
    entry.call.cancelWithStatus(code, why);
  }

  #arm(): void {
    this.#sweeper ??= this.#clock.setTimeout(() => this.#sweep(), SWEEP_MS);
  }

  #sweep(): void {
    this.#sweeper = undefined;
    if (this.#closed) return;
    const nowMs = this.#clock.monotonicMs();
    let oldestMs = nowMs;
    for (const entry of this.#pending) {
      oldestMs = Math.min(oldestMs, entry.sentMs);
      if (entry.deadlineMs > nowMs) continue;
      this.#giveUp(entry, GRPC.deadlineExceeded, `${this.endpoint} did not answer in time`);
    }
    if (nowMs - Math.max(oldestMs, this.#lastHeardMs) >= STALL_MS) this.#onStall(this);
    if (this.#pending.size > 0) this.#arm();
  }
}
