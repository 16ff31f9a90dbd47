/**
 * What a client is made of inside: the dialer, the queue that outlives connections, the present
 * connection, and the counts. `client.ts` is its public face and tells its events.
 */
import type { EventEmitter } from "node:events";
import { isQWormholeError, QWormholeError } from "../errors.js";
import type { Link, LinkHandlers, Priority } from "../link.js";
import { valueDeserializer } from "../serializers.js";
import { addressText } from "../socket-channel.js";
import type { Address } from "../transport.js";
import { announce } from "./announce.js";
import type { ClientEvents } from "./client-events.js";
import { clientEndpoints, reconnectConfig } from "./client-options.js";
import { type ConnectionHost, QWormholeConnection } from "./connection.js";
import { ConnectionWait } from "./connection-wait.js";
import { diagnose } from "./diagnostics.js";
import { Dialer } from "./dialer.js";
import { HandlerTable } from "./handler-table.js";
import { addTransfer, type ClientMetrics, codeOf, count, emptyTransferMetrics } from "./metrics.js";
import { type QWormholeClientOptions, TELEMETRY_INTERVAL_MS_DEFAULT } from "./options.js";
import { makeParts, makeSendQueue, type Parts } from "./parts.js";
import type { SendQueue } from "./send-queue.js";
import { Subscriptions } from "./subscriptions.js";
import { TelemetryTimer } from "./telemetry-timer.js";

const QUEUE_WAIT_MS_DEFAULT = 30_000;

export class ClientSession<T> {
  readonly parts: Parts;
  readonly handlers: HandlerTable<T>;
  readonly subscriptions: Subscriptions<T>;
  readonly endpoints: readonly Address[];
  readonly #options: QWormholeClientOptions<T>;
  readonly #events: EventEmitter<ClientEvents<T>>;
  readonly #host: ConnectionHost<T>;
  readonly #wait = new ConnectionWait<T>();
  readonly #telemetry: TelemetryTimer;
  /** Of connections and queues that are no more. */
  readonly #past = emptyTransferMetrics();
  readonly #reconnects: Record<string, number> = {};
  readonly #failedDials: Record<string, number> = {};
  #dialer: Dialer;
  #connection: QWormholeConnection<T> | undefined;
  #pendingLinks = new WeakMap<Link, QWormholeConnection<T>>();
  #endpoint: Address | undefined;
  #connectionsTotal = 0;
  queue: SendQueue;

  constructor(options: QWormholeClientOptions<T>, events: EventEmitter<ClientEvents<T>>) {
    this.#options = options;
    this.#events = events;
    this.endpoints = clientEndpoints(options);
    const noShared = { send: [], receive: [] };
    this.parts = makeParts(
      options,
      () => noShared,
      () => {},
    );
    this.handlers = new HandlerTable(this.parts.serializer);
    this.subscriptions = new Subscriptions((error) => this.report(error));
    this.#host = this.#makeHost();
    this.queue = this.#makeQueue();
    this.#dialer = this.#makeDialer();
    this.#telemetry = new TelemetryTimer(
      this.parts.clock,
      options.telemetryIntervalMs ?? TELEMETRY_INTERVAL_MS_DEFAULT,
      () => this.#announce(() => options.onTelemetry?.(this.metrics)),
    );
  }

  get connection(): QWormholeConnection<T> | undefined {
    return this.#connection;
  }

  get endpoint(): Address | undefined {
    return this.#endpoint;
  }

  get hasEnded(): boolean {
    return this.#dialer.phase === "ended";
  }

  async connect(signal: AbortSignal | undefined): Promise<void> {
    if (this.hasEnded) {
      addTransfer(this.#past, this.queue.metrics);
      this.queue = this.#makeQueue();
      this.#dialer = this.#makeDialer();
    }
    const connected = this.#wait.next(undefined, signal);
    if (this.#dialer.phase === "idle" && !signal?.aborted) {
      if (this.#options.onTelemetry !== undefined) this.#telemetry.start();
      this.#dialer.connect();
    }
    if (this.#connection !== undefined) this.#wait.settle(this.#connection);
    try {
      await connected;
    } catch (error) {
      if (signal?.aborted) await this.disconnect("the dial was given up", 0);
      throw error;
    }
  }

  async disconnect(reason: string, drainMs: number): Promise<void> {
    const connection = this.#connection;
    if (this.hasEnded) return;
    if (connection !== undefined) {
      const patience = new AbortController();
      const timer = this.parts.clock.setTimeout(() => patience.abort(), drainMs);
      await this.queue.drainedOr(patience.signal);
      timer.cancel();
      // From here on its end is not a loss.
      if (this.#connection === connection) this.#leave();
      await connection.close(reason, drainMs);
    }
    this.#dialer.stop();
    // A dial or a fail-back that was under way may have brought another one meanwhile.
    const late = this.#connection;
    if (late === undefined) return;
    this.#leave();
    await late.close(reason, drainMs);
  }

  /** A connection, within the time. */
  async connected(
    deadlineMs: number,
    signal: AbortSignal | undefined,
  ): Promise<QWormholeConnection<T>> {
    if (this.#connection?.isOpen) return this.#connection;
    const { phase } = this.#dialer;
    if (phase === "idle" || phase === "ended") throw new QWormholeError("QW_NOT_CONNECTED");
    const { clock } = this.parts;
    const timeoutMs = Math.max(0, deadlineMs - clock.monotonicMs());
    return this.#wait.next({ clock, timeoutMs }, signal);
  }

  send(payload: Uint8Array, kind: number, priority: Priority = "rpc"): boolean {
    if (this.#options.whileDisconnected === "error" && !this.#connection?.isOpen) {
      throw new QWormholeError("QW_NOT_CONNECTED");
    }
    return this.queue.send(payload, kind, priority) === "sent";
  }

  get metrics(): ClientMetrics {
    const sum = structuredClone(this.#past);
    addTransfer(sum, this.queue.metrics);
    const connection = this.#connection;
    if (connection !== undefined) addTransfer(sum, connection.received);
    const peers = connection === undefined ? [] : [connection.metrics];
    return {
      ...sum,
      connections: peers.length,
      connectionsTotal: this.#connectionsTotal,
      reconnects: { ...this.#reconnects },
      failedDials: { ...this.#failedDials },
      roundTripMs: connection?.roundTripMs,
      endpoint: this.#endpoint && addressText(this.#endpoint.host, this.#endpoint.port),
      peers,
    };
  }

  inspect(): object {
    const { protocolVersion } = this.parts;
    const state = this.#dialer.phase;
    return { state, endpoints: this.endpoints, protocolVersion, metrics: this.metrics };
  }

  /** What a listener of the application threw. */
  report(error: Error): void {
    // A listener that dialled with another client in vain: that client's `close` has told it.
    if (isQWormholeError(error, "QW_RECONNECT_GIVEN_UP")) return;
    if (this.#events.listenerCount("error") > 0) this.#events.emit("error", error);
    else process.emitWarning(error);
  }

  #announce(emit: () => unknown): void {
    announce((error) => this.report(error), emit);
  }

  #makeDialer(): Dialer {
    const { expectedNodeId, connectTimeoutMs, clock } = this.#options;
    return new Dialer({
      parts: this.parts,
      endpoints: this.endpoints,
      config: reconnectConfig(this.#options, this.endpoints.length),
      expectedNodeId,
      connectTimeoutMs,
      clock,
      handlers: (link) => this.#adopt(link),
      onConnected: (link, endpoint, isFailBack) => this.#onConnected(link, endpoint, isFailBack),
      onDialFailed: (error, endpoint) => this.#onDialFailed(error, endpoint),
      onReconnecting: (attempt, delayMs, error) => {
        diagnose("reconnecting", () => ({ attempt, delayMs, error }));
        this.#announce(() => this.#events.emit("reconnecting", { attempt, delayMs, error }));
      },
      onEnded: (error) => this.#onEnded(error),
    });
  }

  #makeQueue(): SendQueue {
    return makeSendQueue(this.parts, this.#options, {
      waitMsMax: this.#options.queueWaitMs ?? QUEUE_WAIT_MS_DEFAULT,
      onBackpressure: (queuedBytes, threshold) =>
        this.#announce(() => this.#events.emit("backpressure", { queuedBytes, threshold })),
      onDrain: () => this.#announce(() => this.#events.emit("drain")),
      onDrop: (reason, messages, priority) => {
        const id = this.#connection?.id;
        diagnose("drop", () => ({ side: "client", id, reason, messages, priority }));
        this.#announce(() => this.#events.emit("drop", { reason, messages, priority }));
      },
      onTooSlow: (error) => this.#connection?.destroy(error),
    });
  }

  #adopt(link: Link): LinkHandlers {
    const id = `${link.peer.nodeId.slice(0, 8)}-${++this.#connectionsTotal}`;
    const connection = new QWormholeConnection(id, link, this.#host, this.queue);
    this.#pendingLinks.set(link, connection);
    return connection.linkHandlers;
  }

  #onConnected(link: Link, endpoint: Address, isFailBack: boolean): void {
    const connection = this.#pendingLinks.get(link);
    if (connection === undefined) return;
    const before = this.#connection;
    if (before !== undefined) this.#leave();
    this.#connection = connection;
    this.#endpoint = endpoint;
    this.subscriptions.attach(link);
    link.closed.then(({ error }) => this.#onClosed(connection, error));
    const { id, remoteAddress } = connection;
    diagnose("open", () => ({ side: "client", id, remoteAddress, ...connection.handshake }));
    if (isFailBack) this.#announce(() => this.#events.emit("failback", { endpoint }));
    this.queue.attach(link);
    this.#announce(() => this.#events.emit("connect"));
    this.#announce(() => this.#events.emit("ready", connection.handshake));
    this.#wait.settle(connection);
    this.#telemetry.soon();
    before?.close("another endpoint is preferred").catch((error) => this.report(error));
  }

  /** The present connection is no longer the one that is used. */
  #leave(): void {
    this.#connection = undefined;
    this.#endpoint = undefined;
    this.queue.detach();
    this.subscriptions.detach();
  }

  #onClosed(connection: QWormholeConnection<T>, error: Error | undefined): void {
    addTransfer(this.#past, connection.received);
    const { nodeId } = connection.handshake;
    diagnose("close", () => {
      const { id, remoteAddress, metrics } = connection;
      return { side: "client", id, nodeId, remoteAddress, error, metrics };
    });
    if (this.#connection !== connection) return;
    this.#leave();
    const willReconnect = this.#options.reconnect?.enabled ?? true;
    if (willReconnect) count(this.#reconnects, codeOf(error));
    const hadError = error !== undefined;
    this.#announce(() => this.#events.emit("disconnect", { error, hadError, willReconnect }));
    this.#dialer.lost(error);
    this.#telemetry.soon();
  }

  #onDialFailed(error: Error, endpoint: Address): void {
    const code = codeOf(error);
    count(this.#failedDials, code);
    const isTimeout = code === "QW_DIAL_TIMEOUT" || code === "QW_HANDSHAKE_TIMEOUT";
    if (isTimeout) this.#announce(() => this.#events.emit("timeout", { endpoint, error }));
    this.#announce(() => this.#events.emit("dialFailed", { endpoint, error }));
  }

  #onEnded(error: Error | undefined): void {
    this.#telemetry.stop();
    this.queue.close(error ?? new QWormholeError("QW_LINK_CLOSED"));
    this.#announce(() => this.#events.emit("close", { hadError: error !== undefined, error }));
    this.#wait.fail(error ?? new QWormholeError("QW_CANCELLED"));
  }

  #makeHost(): ConnectionHost<T> {
    const { clock, serializer, protocolVersion } = this.parts;
    const events = this.#events;
    return {
      protocolVersion,
      serializer,
      deserializer: this.#options.deserializer ?? (valueDeserializer as (bytes: Uint8Array) => T),
      handlers: this.handlers,
      nowMs: () => clock.monotonicMs(),
      onData: (_connection, payload, kind) => {
        if (events.listenerCount("data") > 0) events.emit("data", { payload, kind });
      },
      onValue: (_connection, value) => void events.emit("message", value),
      onInvalid: (_connection, error) => void events.emit("invalidMessage", { error }),
      onPublished: (connection, topic, message) =>
        this.subscriptions.deliver(topic, message, connection),
      onSubscribe: refuseTopics,
      onUnsubscribe: refuseTopics,
      onListenerError: (error) => this.report(error),
    };
  }
}

/** Servers publish to their subscribers; they do not subscribe at clients. */
function refuseTopics(): never {
  throw new QWormholeError("QW_TOPIC_REFUSED");
}
