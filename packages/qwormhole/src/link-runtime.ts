/**
 * A verified link over a channel: takes frames apart and hands them to requests, streams and
 * messages.
 *
 * States: open; closing (GOAWAY was sent or got: nothing new, what is under way goes on); ended
 * (the channel got its last bytes); closed (final). A side that got GOAWAY answers with its own
 * when it has nothing under way; who has sent and got one and has nothing under way ends the
 * channel. Invariants: every request and stream ends exactly once; `closed` resolves exactly once;
 * after it nothing is sent or delivered. A breach of the protocol by the peer is told to it in a
 * GOAWAY and ends the link.
 */
import { Deadlines } from "./deadlines.js";
import { QWormholeError } from "./errors.js";
import {
  encodeFrame,
  FRAME_TYPE_SKIPPABLE_MIN,
  type FrameDecoder,
  type FrameSink,
  FrameType,
  PayloadReader,
} from "./frames.js";
import { IncomingRequests } from "./incoming-requests.js";
import { FRAME_OVERHEAD_BYTES_MAX } from "./limits.js";
import type {
  Link,
  LinkHandlers,
  LinkInspection,
  LinkStream,
  Peer,
  Priority,
  RequestOptions,
  SendOptions,
} from "./link.js";
import type { LinkRuntimeOptions } from "./link-runtime-options.js";
import { Liveness } from "./liveness.js";
import { kindOf, labelOf, priorityOf } from "./message-label.js";
import { MethodNames } from "./method-names.js";
import { Outbox, PRIORITY_LEVEL } from "./outbox.js";
import { byteLengthOf, checkMessageBytes, OutgoingRequests } from "./outgoing-requests.js";
import { PacedReading } from "./paced-reading.js";
import { Pacer } from "./pacer.js";
import { StreamTable } from "./stream-table.js";
import { Traces } from "./traces.js";
import type { Channel } from "./transport.js";
import {
  decodeWireError,
  encodeWireError,
  fromAnsweredError,
  fromWireError,
  lost,
  toWireError,
} from "./wire-error.js";

const DRAIN_MS_DEFAULT = 1000;
/** How long an ended channel may take to close. */
const END_MS_MAX = 1000;
const CONTROL = PRIORITY_LEVEL.control;

export class LinkRuntime implements Link, FrameSink {
  readonly peer: Peer;
  readonly closed: Promise<{ error: Error | undefined }>;
  readonly #options: LinkRuntimeOptions;
  readonly #channel: Channel;
  readonly #decoder: FrameDecoder;
  readonly #onMessage: LinkHandlers["onMessage"];
  readonly #outbox: Outbox;
  readonly #deadlines: Deadlines;
  readonly #outgoing: OutgoingRequests;
  readonly #incoming: IncomingRequests;
  readonly #streams: StreamTable;
  readonly #liveness: Liveness;
  readonly #reading: PacedReading | undefined;
  readonly #traces: Traces | undefined;
  readonly #settleClosed: (result: { error: Error | undefined }) => void;
  #state: "open" | "closing" | "ended" | "closed" = "open";
  #goawaySent = false;
  #goawayGot = false;
  #timer: { cancel(): void } | undefined;
  #bytesIn: number;

  constructor(options: LinkRuntimeOptions) {
    const { channel, decoder, peer, hello, limits, clock, side, sendBuckets = [] } = options;
    this.#options = options;
    this.#channel = channel;
    this.#decoder = decoder;
    this.peer = peer;
    this.#bytesIn = options.handshakeBytes.in;
    const handlers: LinkHandlers =
      typeof options.handlers === "function" ? options.handlers(this) : options.handlers;
    this.#onMessage = handlers.onMessage?.bind(handlers);
    let settle: (result: { error: Error | undefined }) => void = () => {};
    this.closed = new Promise((resolve) => {
      settle = resolve;
    });
    this.#settleClosed = settle;
    const pacer = new Pacer(sendBuckets, clock, () => outbox.flush());
    const outbox = new Outbox(channel, limits, () => this.#checkFinished(), pacer);
    const names = new MethodNames();
    const deadlines = new Deadlines(clock, (nowMs) =>
      Math.min(this.#outgoing.sweep(nowMs), this.#incoming.sweep(nowMs)),
    );
    const sendFrame = this.#sendFrame.bind(this);
    this.#traces = options.traces && new Traces(options.traces);
    const traces = this.#traces;
    const serving = { side, peer, handlers, outbox, names, deadlines, limits, sendFrame, traces };
    this.#outbox = outbox;
    this.#deadlines = deadlines;
    this.#outgoing = new OutgoingRequests(outbox, names, deadlines, hello, traces);
    this.#incoming = new IncomingRequests({
      ...serving,
      peerMessageBytesMax: hello.messageBytesMax,
      onOverflow: (error) => this.breakOff(error),
      onAnswered: () => this.#checkFinished(),
    });
    this.#streams = new StreamTable({
      ...serving,
      peerLimits: hello,
      onDone: () => this.#checkFinished(),
    });
    this.#liveness = new Liveness({
      clock,
      pingIntervalMs: options.pingIntervalMs,
      deadAfterMs: options.deadAfterMs,
      sendPing: (payload) => sendFrame(CONTROL, FrameType.PING, 0, payload),
      onDead: (silentMs) => this.#onDead(silentMs),
    });
    if (options.receiveBuckets?.length) {
      this.#reading = new PacedReading(options.receiveBuckets, clock, channel, this.#liveness);
    }
    decoder.setLimit(limits.messageBytesMax + FRAME_OVERHEAD_BYTES_MAX);
  }

  /** Begins to ping; called when both sides have verified. */
  start(): void {
    this.#liveness.start();
  }

  get isOpen(): boolean {
    return this.#state === "open";
  }

  get roundTripMs(): number | undefined {
    return this.#liveness.roundTripMs;
  }

  request(
    method: string,
    body: Uint8Array | readonly Uint8Array[],
    options: RequestOptions = {},
  ): Promise<Uint8Array> {
    if (this.#state !== "open") return Promise.reject(this.#notOpen());
    return this.#outgoing.start(method, body, options);
  }

  async openStream(
    method: string,
    header: Uint8Array,
    options: { signal?: AbortSignal; priority?: Priority } = {},
  ): Promise<LinkStream> {
    if (this.#state !== "open") throw this.#notOpen();
    return this.#streams.open(method, header, options);
  }

  send(data: Uint8Array, options?: SendOptions): boolean {
    if (this.#state !== "open") throw this.#notOpen();
    checkMessageBytes(byteLengthOf(data), this.#options.hello.messageBytesMax);
    const level = options?.priority === undefined ? 1 : PRIORITY_LEVEL[options.priority];
    return this.#outbox.frame(level, FrameType.DATA, labelOf(options?.kind ?? 0, level), data);
  }

  drained(): Promise<void> {
    return this.#outbox.drained();
  }

  async close(reason = "closed", drainMs = DRAIN_MS_DEFAULT): Promise<void> {
    if (this.#state === "open" || (this.#state === "closing" && !this.#goawaySent)) {
      this.#state = "closing";
      this.#sendGoaway(reason);
      const end = () => this.#end(new QWormholeError("QW_LINK_CLOSED"));
      this.#timer?.cancel();
      this.#timer = this.#options.clock.setTimeout(end, drainMs);
      this.#checkFinished();
    }
    await this.closed;
  }

  destroy(error: Error): void {
    if (this.#state === "closed") return;
    this.#finish(error);
    this.#channel.destroy(error);
  }

  inspect(): LinkInspection {
    return {
      bytesIn: this.#bytesIn,
      bytesOut: this.#options.handshakeBytes.out + this.#outbox.bytesOut,
      framesIn: this.#decoder.framesIn,
      framesOut: this.#outbox.framesOut,
      queuedBytes: this.#outbox.queuedBytes + this.#streams.pendingBytes,
      openRequests: this.#outgoing.count + this.#incoming.count,
      openStreams: this.#streams.count,
      roundTripMs: this.roundTripMs,
    };
  }

  onBytes(bytes: Uint8Array): void {
    if (this.#state === "ended" || this.#state === "closed") return;
    this.#bytesIn += bytes.length;
    this.#liveness.heard();
    try {
      this.#decoder.push(bytes);
    } catch (error) {
      this.breakOff(error as Error);
    }
    this.#reading?.onBytes(bytes.length);
  }

  onDrain(): void {
    this.#outbox.onDrain();
  }

  onChannelClose(error: Error | undefined): void {
    if (this.#state === "closed") return;
    const isOrderly = this.#state === "ended" || (this.#goawayGot && error === undefined);
    this.#finish(isOrderly ? undefined : lost(error));
  }

  onFrame(type: number, channel: number, bytes: Uint8Array, start: number, end: number): void {
    switch (type) {
      case FrameType.DATA:
        this.#deliver(bytes.subarray(start, end), channel);
        return;
      case FrameType.REQ:
        this.#incoming.onRequest(channel, bytes, start, end);
        return;
      case FrameType.RES:
        this.#outgoing.onAnswer(channel, bytes.subarray(start, end));
        this.#checkFinished();
        return;
      case FrameType.STREAM_DATA:
        this.#streams.onData(channel, bytes, start, end);
        return;
      default:
        this.#onRareFrame(type, channel, new PayloadReader(bytes, start, end));
    }
  }

  #onRareFrame(type: number, channel: number, reader: PayloadReader): void {
    switch (type) {
      case FrameType.WINDOW:
        this.#streams.onWindow(channel, reader.varint());
        return;
      case FrameType.STREAM_OPEN:
        this.#streams.onOpen(channel, reader.bytes, reader.offset, reader.end);
        return;
      case FrameType.STREAM_END:
        this.#streams.onEnd(channel);
        return;
      case FrameType.STREAM_RESET:
        this.#streams.onReset(channel, reader);
        return;
      case FrameType.ERR:
        this.#outgoing.onError(channel, fromAnsweredError(decodeWireError(reader)));
        this.#checkFinished();
        return;
      case FrameType.CANCEL:
        this.#incoming.onCancel(channel);
        return;
      case FrameType.PING:
        this.#sendFrame(CONTROL, FrameType.PONG, 0, Uint8Array.from(reader.rest()));
        return;
      case FrameType.PONG:
        this.#liveness.onPong(reader.rest());
        return;
      case FrameType.TRACE:
        this.#traces?.onFrame(channel, reader.rest());
        return;
      case FrameType.GOAWAY:
        this.#onGoaway(fromWireError("QW_LINK_CLOSED", decodeWireError(reader)));
        return;
      default: {
        if (type >= FRAME_TYPE_SKIPPABLE_MIN) return;
        const message = `frame type 0x${type.toString(16)} does not belong on an open link`;
        throw new QWormholeError("QW_FRAME_INVALID", { message });
      }
    }
  }

  #deliver(data: Uint8Array, label: number): void {
    if (data.length > this.#options.limits.messageBytesMax) {
      checkMessageBytes(data.length, this.#options.limits.messageBytesMax);
    }
    const priority = priorityOf(label);
    try {
      this.#onMessage?.(data, this.peer, kindOf(label), priority);
    } catch (cause) {
      // A handler that throws would otherwise end the process from inside the socket.
      this.destroy(new QWormholeError("QW_HANDLER_FAILED", { cause }));
    }
  }

  #onGoaway(told: QWormholeError): void {
    if (told.remoteCode !== "QW_LINK_CLOSING") {
      this.destroy(told);
      return;
    }
    this.#goawayGot = true;
    if (this.#state !== "open" && this.#state !== "closing") return;
    this.#state = "closing";
    this.#checkFinished();
  }

  #onDead(silentMs: number): void {
    const message = `the peer has been silent for ${Math.round(silentMs)} ms`;
    this.destroy(new QWormholeError("QW_PEER_DEAD", { message }));
  }

  /** For frames that this side must send: when even they do not fit, the link has failed. */
  #sendFrame(level: number, type: number, channel: number, payload: Uint8Array): void {
    try {
      this.#outbox.frame(level, type, channel, payload);
    } catch (error) {
      this.breakOff(error as Error);
    }
  }

  #sendGoaway(reason: string): void {
    this.#goawaySent = true;
    const told = { code: "QW_LINK_CLOSING", message: reason, details: new Uint8Array(0) };
    this.#sendFrame(PRIORITY_LEVEL.bulk, FrameType.GOAWAY, 0, encodeWireError(told));
  }

  /** While closing: ends the channel when nothing is under way on either side. */
  #checkFinished(): void {
    if (this.#state !== "closing") return;
    if (this.#outgoing.count + this.#incoming.count + this.#streams.count > 0) return;
    if (!this.#goawayGot) return;
    if (!this.#goawaySent) this.#sendGoaway("the peer is closing");
    if (this.#outbox.isIdle) this.#end(new QWormholeError("QW_LINK_CLOSED"));
  }

  /** Sends what is queued, then ends; what is still under way fails with `error`. */
  #end(error: QWormholeError): void {
    if (this.#state === "ended" || this.#state === "closed") return;
    this.#state = "ended";
    this.#stopWork(error);
    this.#outbox.flush();
    this.#outbox.close();
    this.#channel.end();
    this.#timer?.cancel();
    this.#timer = this.#options.clock.setTimeout(() => this.#abandon(), END_MS_MAX);
  }

  #abandon(): void {
    this.#finish(undefined);
    this.#channel.destroy();
  }

  /** The peer broke the protocol, or takes nothing: tell it why as far as possible, and end. */
  breakOff(error: Error): void {
    if (this.#state === "closed") return;
    this.#finish(error);
    this.#channel.write([encodeFrame(FrameType.GOAWAY, 0, encodeWireError(toWireError(error)))]);
    this.#channel.end();
    this.#options.clock.setTimeout(() => this.#channel.destroy(error), END_MS_MAX);
  }

  #finish(error: Error | undefined): void {
    this.#state = "closed";
    this.#decoder.stop();
    this.#timer?.cancel();
    this.#stopWork(error ?? new QWormholeError("QW_LINK_CLOSED"));
    this.#outbox.close();
    this.#settleClosed({ error });
  }

  #stopWork(error: Error): void {
    this.#liveness.stop();
    this.#reading?.stop();
    this.#deadlines.stop();
    this.#outgoing.fail(error);
    this.#incoming.fail(error);
    this.#streams.fail(error);
  }

  #notOpen(): QWormholeError {
    return new QWormholeError(this.#state === "closing" ? "QW_LINK_CLOSING" : "QW_LINK_CLOSED");
  }
}
