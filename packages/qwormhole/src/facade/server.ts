/** Accepts clients: see `QWormholeServer`. */
import { EventEmitter } from "node:events";
import { QWormholeError } from "../errors.js";
import type { Link, LinkHandlers, Priority } from "../link.js";
import { type LinkListener, type ListenLinksOptions, listenLinks } from "../listen-links.js";
import type { MessageKind } from "../message-kind.js";
import { valueDeserializer } from "../serializers.js";
import type { Address } from "../transport.js";
import { announce } from "./announce.js";
import type { CodedError } from "./client-events.js";
import { type ConnectionHost, type MessageOptions, QWormholeConnection } from "./connection.js";
import { diagnose } from "./diagnostics.js";
import { HandlerTable, type RequestHandler, type StreamHandler } from "./handler-table.js";
import {
  addTransfer,
  codeOf,
  count,
  type DropReason,
  emptyTransferMetrics,
  type ServerMetrics,
} from "./metrics.js";
import {
  atLeast,
  checkPort,
  checkRateLimit,
  DRAIN_MS_DEFAULT,
  invalid,
  type QWormholeServerOptions,
  TELEMETRY_INTERVAL_MS_DEFAULT,
} from "./options.js";
import { byteBuckets, makeParts, makeSendQueue, type Parts } from "./parts.js";
import type { SendQueue } from "./send-queue.js";
import { TelemetryTimer } from "./telemetry-timer.js";
import { TopicHub, type TopicListener } from "./topic-hub.js";
import { encodeValue } from "./values.js";

/** Arguments of each event's listeners. */
export interface ServerEvents<T> {
  listening: [address: Address];
  /** A verified client, with its tags. */
  connection: [client: QWormholeConnection<T>];
  message: [event: { client: QWormholeConnection<T>; data: T }];
  /** Each message as it came, before the deserializer. */
  data: [event: { client: QWormholeConnection<T>; payload: Uint8Array; kind: MessageKind }];
  /** `hadError` is false for an orderly end. */
  clientClosed: [
    event: { client: QWormholeConnection<T>; hadError: boolean; error: CodedError | undefined },
  ];
  /** A message that the deserializer could not read; it was dropped. */
  invalidMessage: [event: { client: QWormholeConnection<T>; error: CodedError }];
  /** Somebody was not let in. */
  refused: [event: { error: CodedError; remoteAddress: string }];
  /** More waits for a client than its mark; and it has come to rest again. */
  backpressure: [event: { client: QWormholeConnection<T>; queuedBytes: number; threshold: number }];
  drain: [event: { client: QWormholeConnection<T> }];
  drop: [
    event: {
      client: QWormholeConnection<T>;
      reason: DropReason;
      messages: number;
      priority: Priority;
    },
  ];
  /** The server is closed, and so are its connections. */
  close: [];
  /** A listener of the application failed. */
  error: [error: CodedError];
}

export interface BroadcastOptions<T> extends MessageOptions {
  /** Not to this one. */
  except?: QWormholeConnection<T> | undefined;
  filter?: ((client: QWormholeConnection<T>) => boolean) | undefined;
}

/**
 * States: new, listening, closed (final). Clients are those whose handshake is over on both sides;
 * nobody else gets or gives a message. What one client does or does not do cannot hold up another.
 */
export class QWormholeServer<T = unknown> extends EventEmitter<ServerEvents<T>> {
  readonly #options: QWormholeServerOptions<T>;
  readonly #parts: Parts;
  readonly #host: ConnectionHost<T>;
  readonly #handlers: HandlerTable<T>;
  readonly #topics = new TopicHub<T>();
  readonly #connections = new Map<string, QWormholeConnection<T>>();
  readonly #byLink = new WeakMap<Link, { client: QWormholeConnection<T>; queue: SendQueue }>();
  readonly #telemetry: TelemetryTimer;
  /** Of connections that have ended. */
  readonly #past = emptyTransferMetrics();
  readonly #refused: Record<string, number> = {};
  readonly #closes: Record<string, number> = {};
  #listener: LinkListener | undefined;
  #state: "new" | "listening" | "closed" = "new";
  #connectionsTotal = 0;

  /** Throws `QW_OPTIONS_INVALID`. */
  constructor(options: QWormholeServerOptions<T> = {}) {
    super({ captureRejections: true });
    checkPort(options.port ?? 0, 0);
    atLeast("connectionsMax", options.connectionsMax, 0);
    checkRateLimit("totalSendRateLimit", options.totalSendRateLimit);
    checkRateLimit("totalReceiveRateLimit", options.totalReceiveRateLimit);
    this.#options = options;
    this.#parts = makeParts(
      options,
      (clock) => ({
        send: byteBuckets(options.totalSendRateLimit, clock),
        receive: byteBuckets(options.totalReceiveRateLimit, clock),
      }),
      (error, remoteAddress) => this.#onRefused(error, remoteAddress),
    );
    this.#handlers = new HandlerTable(this.#parts.serializer);
    this.#host = this.#makeHost();
    this.#telemetry = new TelemetryTimer(
      this.#parts.clock,
      options.telemetryIntervalMs ?? TELEMETRY_INTERVAL_MS_DEFAULT,
      () => this.#announce(() => options.onTelemetry?.(this.metrics)),
    );
  }

  /** Resolves when it accepts. Rejects with `QW_ADDRESS_IN_USE`, `QW_LISTEN_FAILED`, ... */
  async listen(): Promise<Address> {
    if (this.#state !== "new") throw invalid(`the server is ${this.#state} already`);
    this.#state = "listening";
    const { host = "127.0.0.1", port = 0 } = this.#options;
    try {
      this.#listener = await this.#listenLinks({ host, port });
    } catch (error) {
      if (this.#state === "listening") this.#state = "new";
      throw error;
    }
    if ((this.#state as string) === "closed") {
      await this.#listener.close();
      throw new QWormholeError("QW_CANCELLED", { message: "the server was closed meanwhile" });
    }
    if (this.#options.onTelemetry !== undefined) this.#telemetry.start();
    this.emit("listening", this.#listener.address);
    return this.#listener.address;
  }

  /** Where it listens, or undefined when it does not. */
  get address(): Address | undefined {
    return this.#state === "listening" ? this.#listener?.address : undefined;
  }

  /** The open connection with this id. */
  getConnection(id: string): QWormholeConnection<T> | undefined {
    const connection = this.#connections.get(id);
    return connection?.isOpen ? connection : undefined;
  }

  getConnectionCount(): number {
    return this.#connections.size;
  }

  connections(): IterableIterator<QWormholeConnection<T>> {
    return this.#connections.values();
  }

  /**
   * To every client; answers how many took it. A client whose queue is full, or that does not take
   * so large a message, loses it, counted and told by `drop`. Throws `QW_MESSAGE_INVALID`.
   */
  broadcast(value: unknown, options: BroadcastOptions<T> = {}): number {
    const { kind, payload } = encodeValue(this.#parts.serializer, value);
    const { except, filter, priority } = options;
    let taken = 0;
    for (const client of this.#connections.values()) {
      if (client === except || (filter !== undefined && !filter(client))) continue;
      if (client.offer(payload, kind, priority)) taken++;
    }
    return taken;
  }

  /** To the clients and listeners that subscribed; answers how many clients took it. */
  publish(topic: string, value: unknown): number {
    return this.#topics.publish(this.#parts.serializer, topic, value);
  }

  /** Listens to what clients, or this server, publish. Answers what ends it. */
  subscribe(pattern: string, listener: TopicListener<T>): () => void {
    return this.#topics.local.add(pattern, listener);
  }

  /** Serves requests of clients. */
  handle(method: string, handler: RequestHandler<T>): void {
    this.#handlers.handle(method, handler);
  }

  handleStream(method: string, handler: StreamHandler<T>): void {
    this.#handlers.handleStream(method, handler);
  }

  /** Uses the present TLS credentials for new connections; open ones live on. */
  reload(): void {
    this.#parts.reload();
  }

  /** Accepts nobody any more, lets what is under way finish for `drainMs`, and ends. */
  async close(drainMs = DRAIN_MS_DEFAULT): Promise<void> {
    if (this.#state === "closed") return;
    this.#state = "closed";
    this.#telemetry.stop();
    await this.#listener?.close();
    await this.#listener?.closeLinks("the server is closing", drainMs);
    this.emit("close");
  }

  get metrics(): ServerMetrics {
    const sum = structuredClone(this.#past);
    const peers = [...this.#connections.values()].map((connection) => connection.metrics);
    for (const peer of peers) addTransfer(sum, peer);
    return {
      ...sum,
      connections: this.#connections.size,
      connectionsTotal: this.#connectionsTotal,
      handshakes: this.#listener?.halfOpenCount ?? 0,
      refused: { ...this.#refused },
      closes: { ...this.#closes },
      peers,
    };
  }

  /** Everything that can be seen, for people and support. */
  inspect(): object {
    const { address } = this;
    return {
      state: this.#state,
      address,
      protocolVersion: this.#parts.protocolVersion,
      metrics: this.metrics,
    };
  }

  /** Where a listener's promise rejects (see `captureRejections` of `EventEmitter`). */
  [Symbol.for("nodejs.rejection")](error: Error): void {
    this.#report(error);
  }

  #listenLinks(address: Address): Promise<LinkListener> {
    const { connectionsMax, halfOpenMax, halfOpenPerAddressMax } = this.#options;
    // Getters must stay getters: identity and buckets are made for each link.
    const linkOptions: ListenLinksOptions = Object.create(this.#parts.linkOptions, {
      handlers: { value: (link: Link) => this.#adopt(link) },
      linksMax: { value: connectionsMax },
      halfOpenMax: { value: halfOpenMax },
      halfOpenPerAddressMax: { value: halfOpenPerAddressMax },
    });
    return listenLinks(
      this.#parts.transport,
      address,
      linkOptions,
      (link) => this.#onLink(link),
      (error, remoteAddress) => this.#onRefused(error, remoteAddress),
    );
  }

  #adopt(link: Link): LinkHandlers {
    const id = `${link.peer.nodeId.slice(0, 8)}-${++this.#connectionsTotal}`;
    const queue: SendQueue = this.#makeQueue(() => client);
    const client = new QWormholeConnection(id, link, this.#host, queue);
    this.#byLink.set(link, { client, queue });
    return client.linkHandlers;
  }

  #makeQueue(client: () => QWormholeConnection<T>): SendQueue {
    return makeSendQueue(this.#parts, this.#options, {
      waitMsMax: Number.POSITIVE_INFINITY,
      onBackpressure: (queuedBytes, threshold) =>
        this.#announce(() => {
          this.emit("backpressure", { client: client(), queuedBytes, threshold });
        }),
      onDrain: () => this.#announce(() => this.emit("drain", { client: client() })),
      onDrop: (reason, messages, priority) => {
        diagnose("drop", () => ({ side: "server", id: client().id, reason, messages, priority }));
        this.#announce(() => this.emit("drop", { client: client(), reason, messages, priority }));
      },
      onTooSlow: (error) => client().destroy(error),
    });
  }

  #onLink(link: Link): void {
    const known = this.#byLink.get(link);
    if (known === undefined || this.#state === "closed") {
      // Its handshake was under way when the server was closed.
      void link.close("the server is closing");
      return;
    }
    const { client, queue } = known;
    this.#connections.set(client.id, client);
    queue.attach(link);
    link.closed.then(({ error }) => this.#onClosed(client, queue, error));
    const { id, remoteAddress } = client;
    diagnose("open", () => ({ side: "server", id, remoteAddress, ...client.handshake }));
    const isWelcome = announce(
      (error) => this.#report(error),
      () => this.emit("connection", client),
    );
    if (!isWelcome) client.destroy(new QWormholeError("QW_HANDLER_FAILED"));
    this.#telemetry.soon();
  }

  #onClosed(client: QWormholeConnection<T>, queue: SendQueue, error: Error | undefined): void {
    queue.close(error ?? new QWormholeError("QW_LINK_CLOSED"));
    const { metrics } = client;
    addTransfer(this.#past, { ...metrics, queuedBytes: 0, queuedMessages: 0 });
    this.#connections.delete(client.id);
    this.#topics.forget(client);
    count(this.#closes, codeOf(error));
    const { id, remoteAddress } = client;
    const { nodeId } = client.handshake;
    diagnose("close", () => ({ side: "server", id, nodeId, remoteAddress, error, metrics }));
    const hadError = error !== undefined;
    this.#announce(() => this.emit("clientClosed", { client, hadError, error }));
    this.#telemetry.soon();
  }

  #onRefused(error: Error, remoteAddress: string): void {
    count(this.#refused, codeOf(error));
    diagnose("refused", () => ({ side: "server", remoteAddress, error }));
    this.#announce(() => this.emit("refused", { error, remoteAddress }));
  }

  #announce(emit: () => unknown): void {
    announce((error) => this.#report(error), emit);
  }

  #report(error: Error): void {
    if (this.listenerCount("error") > 0) this.emit("error", error);
    else process.emitWarning(error);
  }

  #makeHost(): ConnectionHost<T> {
    const { clock, serializer, protocolVersion } = this.#parts;
    const { deserializer, authorizePublish, authorizeSubscribe } = this.#options;
    return {
      protocolVersion,
      serializer,
      deserializer: deserializer ?? (valueDeserializer as (payload: Uint8Array) => T),
      handlers: this.#handlers,
      nowMs: () => clock.monotonicMs(),
      onData: (client, payload, kind) => {
        if (this.listenerCount("data") > 0) this.emit("data", { client, payload, kind });
      },
      onValue: (client, data) => void this.emit("message", { client, data }),
      onInvalid: (client, error) => void this.emit("invalidMessage", { client, error }),
      onPublished: (client, topic, message) => {
        const error = this.#topics.local.deliver(topic, message, client);
        if (authorizePublish?.(client, topic)) this.#topics.relay(topic, message, client);
        return error;
      },
      onSubscribe: (client, pattern) => {
        if (authorizeSubscribe?.(client, pattern) === false) {
          throw new QWormholeError("QW_TOPIC_REFUSED");
        }
        this.#topics.subscribe(client, pattern);
      },
      onUnsubscribe: (client, pattern) => this.#topics.unsubscribe(client, pattern),
      onListenerError: (error) => this.#report(error),
    };
  }
}
