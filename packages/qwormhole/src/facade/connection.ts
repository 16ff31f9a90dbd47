/** One verified peer, as a server or client sees it: messages, requests, streams, publications. */
import { QWormholeError } from "../errors.js";
import type {
  Answer,
  IncomingRequest,
  Link,
  LinkHandlers,
  LinkStream,
  Peer,
  Priority,
} from "../link.js";
import type { Deserializer, EncodedMessage, MessageKind, Serializer } from "../message-kind.js";
import { valueDeserializer } from "../serializers.js";
import { checkTopic } from "../topics.js";
import {
  addTransfer,
  type ConnectionMetrics,
  emptyTransferMetrics,
  type TransferMetrics,
} from "./metrics.js";
import { DRAIN_MS_DEFAULT } from "./options.js";
import type { SendQueue, SendResult } from "./send-queue.js";
import {
  decodeBody,
  decodePublication,
  decodeTopic,
  encodeBody,
  encodePublication,
  encodeValue,
  OWN_METHOD_PREFIX,
  PUBLISHED_KIND_MIN,
} from "./values.js";

/** What the peer said about itself; its key was verified. */
export interface Handshake {
  readonly version: string;
  readonly nodeId: string;
  readonly tags: Readonly<Record<string, unknown>>;
}

export interface MessageOptions {
  /** Default `rpc`. */
  priority?: Priority | undefined;
}

export interface CallOptions {
  /** Default 10,000. The time left travels with the request. */
  timeoutMs?: number | undefined;
  signal?: AbortSignal | undefined;
  priority?: Priority | undefined;
}

export interface ConnectionHost<T> {
  readonly protocolVersion: string;
  readonly serializer: Serializer;
  readonly deserializer: Deserializer<T>;
  /** Requests and streams of the application's methods. */
  readonly handlers: {
    answer(request: IncomingRequest, client: QWormholeConnection<T>): Answer | Promise<Answer>;
    serve(stream: LinkStream, client: QWormholeConnection<T>): Promise<void>;
  };
  nowMs(): number;
  /** The payload as it came, and what was read out of it. */
  onData(connection: QWormholeConnection<T>, payload: Uint8Array, kind: MessageKind): void;
  onValue(connection: QWormholeConnection<T>, value: T): void;
  onInvalid(connection: QWormholeConnection<T>, error: Error): void;
  /** Answers the error of a message that cannot be read. */
  onPublished(
    connection: QWormholeConnection<T>,
    topic: string,
    message: EncodedMessage,
  ): Error | undefined;
  onSubscribe(connection: QWormholeConnection<T>, pattern: string): void;
  onUnsubscribe(connection: QWormholeConnection<T>, pattern: string): void;
  /** A listener of the application threw; the link ends after this. */
  onListenerError(error: QWormholeError): void;
}

const NOTHING = new Uint8Array(0);

export class QWormholeConnection<T = unknown> {
  /** Unique among the connections of its server or client. */
  readonly id: string;
  readonly handshake: Handshake;
  readonly #link: Link;
  readonly #host: ConnectionHost<T>;
  readonly #queue: SendQueue;
  readonly #sinceMs: number;
  readonly #metrics = emptyTransferMetrics();

  /** Made by servers and clients. */
  constructor(id: string, link: Link, host: ConnectionHost<T>, queue: SendQueue) {
    this.id = id;
    this.#link = link;
    this.#host = host;
    this.#queue = queue;
    this.#sinceMs = host.nowMs();
    const { nodeId, tags } = link.peer;
    this.handshake = { version: host.protocolVersion, nodeId, tags };
  }

  get peer(): Peer {
    return this.#link.peer;
  }

  get remoteAddress(): string {
    return this.peer.remoteAddress;
  }

  get isOpen(): boolean {
    return this.#link.isOpen;
  }

  get roundTripMs(): number | undefined {
    return this.#link.roundTripMs;
  }

  /** Resolves when the connection has ended; `error` is undefined for an orderly end. */
  get closed(): Promise<{ error: Error | undefined }> {
    return this.#link.closed;
  }

  /**
   * One-way, at most once. True: taken, and more may follow. False: taken, but wait for `drained()`
   * before sending much more; or dropped, when the channel's policy says so (counted in `metrics`).
   * Bytes must not be changed afterwards. Throws `QW_QUEUE_FULL`, `QW_MESSAGE_TOO_LARGE`,
   * `QW_MESSAGE_INVALID`, `QW_LINK_CLOSING` or `QW_LINK_CLOSED`.
   */
  send(value: unknown, options?: MessageOptions): boolean {
    const { kind, payload } = encodeValue(this.#host.serializer, value);
    return this.#send(payload, kind, options?.priority) === "sent";
  }

  /**
   * Sends one of many, encoded before. A peer that is closing, whose queue is full, or that does
   * not take so large a message, loses it (which is counted) and does not hold up the others. True
   * when it was taken.
   */
  offer(payload: Uint8Array, kind: number, priority: Priority = "rpc"): boolean {
    return this.#link.isOpen && this.#queue.offer(payload, kind, priority);
  }

  #send(payload: Uint8Array, kind: number, priority: Priority = "rpc"): SendResult {
    if (!this.#link.isOpen) throw new QWormholeError("QW_LINK_CLOSING");
    return this.#queue.send(payload, kind, priority);
  }

  /** Waits for room and then sends. Rejects as `send` throws, and when the signal is aborted. */
  async sendWhenReady(
    value: unknown,
    options: MessageOptions & { signal?: AbortSignal | undefined } = {},
  ): Promise<void> {
    const { kind, payload } = encodeValue(this.#host.serializer, value);
    await this.#queue.sendWhenReady(payload, kind, options.priority ?? "rpc", options.signal);
  }

  /** Sends to the peer's subscribers of the topic. */
  publish(topic: string, value: unknown, options?: MessageOptions): boolean {
    checkTopic(topic);
    const message = encodeValue(this.#host.serializer, value);
    const payload = encodePublication(topic, message);
    const kind = message.kind + PUBLISHED_KIND_MIN;
    return this.#send(payload, kind, options?.priority) === "sent";
  }

  /** Resolves when nothing waits to be sent. */
  drained(): Promise<void> {
    return this.#queue.drained();
  }

  /**
   * Asks the peer's handler. Rejects with `QW_REQUEST_TIMEOUT`, `QW_REMOTE_ERROR` (`remoteCode` is
   * the code of the handler's error), `QW_CANCELLED` or `QW_LINK_LOST`.
   */
  request<Result = unknown>(
    method: string,
    value: unknown,
    options: CallOptions = {},
  ): Promise<Result> {
    try {
      const body = encodeBody(this.#host.serializer, value);
      return this.#link.request(method, body, options).then(readAnswer<Result>);
    } catch (error) {
      return Promise.reject(error);
    }
  }

  /** Opens a stream both ways, served by the peer's `handleStream`. */
  openStream(
    method: string,
    header: Uint8Array = NOTHING,
    options: { signal?: AbortSignal; priority?: Priority } = {},
  ): Promise<LinkStream> {
    return this.#link.openStream(method, header, options);
  }

  /** Lets what is under way finish for `drainMs`, then ends. */
  async close(reason = "closed", drainMs = DRAIN_MS_DEFAULT): Promise<void> {
    await this.#link.close(reason, drainMs);
  }

  disconnect(reason?: string, drainMs?: number): Promise<void> {
    return this.close(reason, drainMs);
  }

  /** Ends at once, for a peer that is not wanted any more. */
  destroy(error: Error): void {
    this.#link.destroy(error);
  }

  get metrics(): ConnectionMetrics {
    const { roundTripMs, openRequests, openStreams, queuedBytes } = this.#link.inspect();
    const transfer = this.received;
    addTransfer(transfer, this.#queue.metrics);
    transfer.queuedBytes += queuedBytes;
    return {
      ...transfer,
      id: this.id,
      nodeId: this.handshake.nodeId,
      remoteAddress: this.remoteAddress,
      connectedMs: this.#host.nowMs() - this.#sinceMs,
      roundTripMs,
      openRequests,
      openStreams,
    };
  }

  /** What this connection received, and its bytes both ways; the rest its queue knows. */
  get received(): TransferMetrics {
    const { bytesIn, bytesOut } = this.#link.inspect();
    return { ...structuredClone(this.#metrics), bytesIn, bytesOut };
  }

  /** What the link calls; for the server or client that made this. */
  get linkHandlers(): LinkHandlers {
    return {
      onMessage: (data, _peer, kind, priority) => this.#onMessage(data, kind, priority),
      onRequest: (request) => this.#onRequest(request),
      onStream: (stream) => this.#host.handlers.serve(stream, this),
    };
  }

  #onMessage(data: Uint8Array, kind: number, priority: Priority): void {
    const metrics = this.#metrics.channels[priority];
    this.#metrics.messagesIn++;
    metrics.messagesIn++;
    metrics.messageBytesIn += data.length;
    try {
      if (kind >= PUBLISHED_KIND_MIN) this.#onPublication(data, kind, priority);
      else this.#onValue(data, kind as MessageKind, priority);
    } catch (cause) {
      // It ends this connection and no other; see `LinkHandlers.onMessage`.
      const message = `a listener failed for a message of ${this.remoteAddress}: ${cause}`;
      this.#host.onListenerError(new QWormholeError("QW_HANDLER_FAILED", { message, cause }));
      throw cause;
    }
  }

  #onValue(data: Uint8Array, kind: MessageKind, priority: Priority): void {
    const host = this.#host;
    host.onData(this, data, kind);
    let value: T;
    try {
      value = host.deserializer(data, kind);
    } catch (error) {
      this.#refuse(error as Error, priority);
      return;
    }
    host.onValue(this, value);
  }

  #onPublication(data: Uint8Array, kind: number, priority: Priority): void {
    let publication: ReturnType<typeof decodePublication>;
    try {
      publication = decodePublication(data, kind);
      checkTopic(publication.topic);
    } catch (error) {
      this.#refuse(error as Error, priority);
      return;
    }
    const error = this.#host.onPublished(this, publication.topic, publication.message);
    if (error !== undefined) this.#refuse(error, priority);
  }

  #onRequest(request: IncomingRequest): Answer | Promise<Answer> {
    return request.method.startsWith(OWN_METHOD_PREFIX)
      ? this.#onOwnRequest(request)
      : this.#host.handlers.answer(request, this);
  }

  async #onOwnRequest({ method, body }: IncomingRequest): Promise<Uint8Array> {
    const pattern = decodeTopic(body);
    if (method === "qw.subscribe") this.#host.onSubscribe(this, pattern);
    else if (method === "qw.unsubscribe") this.#host.onUnsubscribe(this, pattern);
    else throw new QWormholeError("QW_NO_HANDLER");
    return NOTHING;
  }

  #refuse(error: Error, priority: Priority): void {
    this.#metrics.drops.invalid++;
    this.#metrics.channels[priority].drops.invalid++;
    this.#host.onInvalid(this, error);
  }
}

function readAnswer<Result>(body: Uint8Array): Result {
  const { kind, payload } = decodeBody(body);
  return valueDeserializer(payload, kind) as Result;
}
