/** Dials a server and keeps to it: see `QWormholeClient`. */
import { EventEmitter } from "node:events";
import type { LinkStream, Priority } from "../link.js";
import { checkTopic } from "../topics.js";
import type { Address } from "../transport.js";
import { type ClientCallOptions, type ClientEvents, LOST_CODES } from "./client-events.js";
import { ClientSession } from "./client-session.js";
import type { Handshake, MessageOptions, QWormholeConnection } from "./connection.js";
import type { RequestHandler, StreamHandler } from "./handler-table.js";
import { type ClientMetrics, codeOf } from "./metrics.js";
import { DRAIN_MS_DEFAULT, type QWormholeClientOptions } from "./options.js";
import type { TopicListener } from "./topic-hub.js";
import { encodePublication, encodeValue, PUBLISHED_KIND_MIN } from "./values.js";

const REQUEST_TIMEOUT_MS_DEFAULT = 10_000;

/**
 * States: those of `reconnect.ts`. A client has at most one connection; during a fail-back the old
 * one ends while the new one serves. What is sent without a connection waits, bounded in bytes,
 * messages and time. After `close` it may be connected again.
 */
export class QWormholeClient<T = unknown> extends EventEmitter<ClientEvents<T>> {
  readonly #session: ClientSession<T>;

  /** Throws `QW_OPTIONS_INVALID`. */
  constructor(options: QWormholeClientOptions<T>) {
    super({ captureRejections: true });
    this.#session = new ClientSession(options, this);
  }

  /**
   * Resolves when both sides are verified. Without a `reconnect` option each endpoint is tried
   * once; with it, attempts go on as it says. Rejects with the last failure. When `signal` is
   * aborted the client is disconnected.
   */
  connect(options: { signal?: AbortSignal } = {}): Promise<void> {
    return this.#session.connect(options.signal);
  }

  /** Lets what is under way finish for `drainMs`, ends, and does not come back. */
  disconnect(reason = "the client is closing", drainMs = DRAIN_MS_DEFAULT): Promise<void> {
    return this.#session.disconnect(reason, drainMs);
  }

  close(reason?: string, drainMs?: number): Promise<void> {
    return this.disconnect(reason, drainMs);
  }

  get isConnected(): boolean {
    return this.connection?.isOpen ?? false;
  }

  /** The present connection. */
  get connection(): QWormholeConnection<T> | undefined {
    return this.#session.connection;
  }

  /** Where it is connected, of `endpoints`. */
  get endpoint(): Address | undefined {
    return this.#session.endpoint;
  }

  /** What the server said about itself, of the present connection. */
  get handshake(): Handshake | undefined {
    return this.connection?.handshake;
  }

  get roundTripMs(): number | undefined {
    return this.connection?.roundTripMs;
  }

  /**
   * One-way, at most once. True: taken, and more may follow. False: taken, but wait for `drained()`
   * before sending much more (so it is without a connection); or dropped, when the channel's policy
   * says so. Bytes must not be changed afterwards. Throws `QW_QUEUE_FULL`, `QW_MESSAGE_TOO_LARGE`,
   * `QW_MESSAGE_INVALID`; `QW_NOT_CONNECTED` with `whileDisconnected: "error"`; `QW_LINK_CLOSED`
   * after `close`.
   */
  send(value: unknown, options?: MessageOptions): boolean {
    const { kind, payload } = encodeValue(this.#session.parts.serializer, value);
    return this.#session.send(payload, kind, options?.priority);
  }

  /** Waits for room and then sends. Rejects as `send` throws, and when the signal is aborted. */
  async sendWhenReady(
    value: unknown,
    options: MessageOptions & { signal?: AbortSignal | undefined } = {},
  ): Promise<void> {
    const { kind, payload } = encodeValue(this.#session.parts.serializer, value);
    await this.#session.queue.sendWhenReady(
      payload,
      kind,
      options.priority ?? "rpc",
      options.signal,
    );
  }

  /** To the server's listeners, and to its other clients where it allows that. */
  publish(topic: string, value: unknown, options?: MessageOptions): boolean {
    checkTopic(topic);
    const message = encodeValue(this.#session.parts.serializer, value);
    const payload = encodePublication(topic, message);
    return this.#session.send(payload, message.kind + PUBLISHED_KIND_MIN, options?.priority);
  }

  /**
   * Listens to what the server passes on, also after reconnections. Resolves, with what ends it,
   * when the server has agreed, or at once without a connection. Rejects with `QW_TOPIC_INVALID`,
   * or `QW_REMOTE_ERROR` when the server refuses.
   */
  subscribe(pattern: string, listener: TopicListener<T>): Promise<() => void> {
    return this.#session.subscriptions.add(pattern, listener);
  }

  /** Resolves when nothing waits to be sent. */
  drained(): Promise<void> {
    return this.#session.queue.drained();
  }

  /** As `QWormholeConnection.request`; without a connection it waits for one, within its time. */
  request<Answer = unknown>(
    method: string,
    value: unknown,
    options: ClientCallOptions = {},
  ): Promise<Answer> {
    const { connection } = this;
    return connection?.isOpen && !options.idempotent
      ? connection.request<Answer>(method, value, options)
      : this.#requestWithPatience<Answer>(method, value, options);
  }

  /** Waits for a connection, and asks again what may be done twice. */
  async #requestWithPatience<Answer>(
    method: string,
    value: unknown,
    options: ClientCallOptions,
  ): Promise<Answer> {
    const { idempotent = false, timeoutMs = REQUEST_TIMEOUT_MS_DEFAULT, signal } = options;
    const { clock } = this.#session.parts;
    const deadlineMs = clock.monotonicMs() + timeoutMs;
    for (;;) {
      const connection = await this.#session.connected(deadlineMs, signal);
      const leftMs = Math.max(0, deadlineMs - clock.monotonicMs());
      try {
        return await connection.request<Answer>(method, value, { ...options, timeoutMs: leftMs });
      } catch (error) {
        const isLost = LOST_CODES.has(codeOf(error as Error));
        if (!isLost || !idempotent || this.#session.hasEnded) throw error;
        // Its end may still have to be noticed; then there is a new one, or none for now.
        if (this.connection === connection) await connection.closed;
      }
    }
  }

  /** Opens a stream both ways; without a connection it waits for one for ten seconds. */
  async openStream(
    method: string,
    header?: Uint8Array,
    options: { signal?: AbortSignal; priority?: Priority } = {},
  ): Promise<LinkStream> {
    const deadlineMs = this.#session.parts.clock.monotonicMs() + REQUEST_TIMEOUT_MS_DEFAULT;
    const connection = await this.#session.connected(deadlineMs, options.signal);
    return connection.openStream(method, header, options);
  }

  /** Serves requests of the server. */
  handle(method: string, handler: RequestHandler<T>): void {
    this.#session.handlers.handle(method, handler);
  }

  handleStream(method: string, handler: StreamHandler<T>): void {
    this.#session.handlers.handleStream(method, handler);
  }

  get metrics(): ClientMetrics {
    return this.#session.metrics;
  }

  /** Everything that can be seen, for people and support. */
  inspect(): object {
    return this.#session.inspect();
  }

  /** Where a listener's promise rejects (see `captureRejections` of `EventEmitter`). */
  [Symbol.for("nodejs.rejection")](error: Error): void {
    this.#session.report(error);
  }
}
