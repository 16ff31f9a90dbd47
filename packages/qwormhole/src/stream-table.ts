/** The streams of one link: their numbers, their limit, and the budget of unread bytes. */
import { QWormholeError } from "./errors.js";
import { encodeFrame, FrameType, PayloadReader } from "./frames.js";
import type { Side } from "./handshake.js";
import { CHANNEL_NUMBER_MAX, type LinkLimits, STREAM_HEADER_BYTES_MAX } from "./limits.js";
import type { LinkHandlers, LinkStream, Peer, Priority } from "./link.js";
import type { MethodNames } from "./method-names.js";
import { type Outbox, PRIORITY_LEVEL } from "./outbox.js";
import { StreamCore, type StreamHost } from "./stream.js";
import type { Traces } from "./traces.js";
import { decodeWireError, encodeWireError, toWireError } from "./wire-error.js";

export interface StreamServing {
  readonly side: Side;
  readonly peer: Peer;
  readonly handlers: LinkHandlers;
  readonly outbox: Outbox;
  readonly names: MethodNames;
  readonly limits: LinkLimits;
  readonly traces: Traces | undefined;
  /** What the peer accepts. */
  readonly peerLimits: { readonly streamBaseBytes: number; readonly streamsMax: number };
  sendFrame(level: number, type: number, channel: number, payload: Uint8Array): void;
  /** A stream has gone. */
  onDone(): void;
}

export class StreamTable implements StreamHost {
  readonly #serving: StreamServing;
  readonly #streams = new Map<number, StreamCore>();
  #opened = 0;
  #accepted = 0;
  #lastNumber: number;
  #budgetBytes: number;
  readonly peer: Peer;
  readonly outbox: Outbox;
  readonly streamBaseBytes: number;
  readonly streamWindowBytes: number;
  readonly queueBytesMax: number;

  constructor(serving: StreamServing) {
    this.#serving = serving;
    this.peer = serving.peer;
    this.outbox = serving.outbox;
    this.streamBaseBytes = serving.limits.streamBaseBytes;
    this.streamWindowBytes = serving.limits.streamWindowBytes;
    this.queueBytesMax = serving.limits.queueBytesMax;
    this.#budgetBytes = serving.limits.unreadBytesMax;
    // The dialer's streams have odd numbers, the listener's even ones; 0 is the link itself.
    this.#lastNumber = serving.side === "dialer" ? -1 : 0;
  }

  get count(): number {
    return this.#streams.size;
  }

  get pendingBytes(): number {
    let bytes = 0;
    for (const stream of this.#streams.values()) bytes += stream.pendingBytes;
    return bytes;
  }

  /** Throws `QW_STREAM_LIMIT`, `QW_CANCELLED`, `QW_OPTIONS_INVALID`. */
  open(
    method: string,
    header: Uint8Array,
    options: { signal?: AbortSignal; priority?: Priority },
  ): LinkStream {
    const { signal, priority = "bulk" } = options;
    const { peerLimits, names } = this.#serving;
    if (signal?.aborted) throw new QWormholeError("QW_CANCELLED", { cause: signal.reason });
    if (this.#opened >= peerLimits.streamsMax) throw new QWormholeError("QW_STREAM_LIMIT");
    if (header.length > STREAM_HEADER_BYTES_MAX) {
      const message = `a stream header has at most ${STREAM_HEADER_BYTES_MAX} bytes`;
      throw new QWormholeError("QW_MESSAGE_TOO_LARGE", { message });
    }
    const name = names.encode(method);
    const level = PRIORITY_LEVEL[priority];
    const number = this.#nextNumber();
    const payload = new Uint8Array(2 + name.length + header.length);
    payload[0] = level;
    payload[1] = name.length;
    payload.set(name, 2);
    payload.set(header, 2 + name.length);
    const opening = encodeFrame(FrameType.STREAM_OPEN, number, payload);
    const frame = this.#serving.traces?.beforeStream(number, opening) ?? opening;
    const credit = peerLimits.streamBaseBytes;
    const stream = new StreamCore(this, number, method, header, level, credit, frame);
    this.#streams.set(number, stream);
    this.#opened++;
    if (signal !== undefined) cancelWith(stream, signal);
    return stream;
  }

  /** A STREAM_OPEN frame. Throws `QW_FRAME_INVALID`. */
  onOpen(number: number, bytes: Uint8Array, start: number, end: number): void {
    const { names, handlers, peerLimits, limits } = this.#serving;
    const reader = new PayloadReader(bytes, start, end);
    const level = reader.byte();
    const nameBytes = reader.byte();
    const nameStart = reader.offset;
    reader.take(nameBytes);
    const header = reader.rest();
    if (
      number === 0 ||
      header.length > STREAM_HEADER_BYTES_MAX ||
      number % 2 === Math.abs(this.#lastNumber) % 2 ||
      level > PRIORITY_LEVEL.bulk ||
      this.#streams.has(number)
    ) {
      throw new QWormholeError("QW_FRAME_INVALID", { message: "a stream is not opened rightly" });
    }
    if (handlers.onStream === undefined || this.#accepted >= limits.streamsMax) {
      const code = handlers.onStream === undefined ? "QW_NO_HANDLER" : "QW_STREAM_LIMIT";
      const reset = encodeWireError(toWireError(new QWormholeError(code)));
      this.sendFrame(level, FrameType.STREAM_RESET, number, reset);
      return;
    }
    const method = names.decode(bytes, nameStart, nameStart + nameBytes);
    const credit = peerLimits.streamBaseBytes;
    const stream = new StreamCore(this, number, method, header, level, credit, undefined);
    this.#streams.set(number, stream);
    this.#accepted++;
    this.#run(stream);
  }

  /**
   * `bytes[start, end)` arrived; mostly that is a whole chunk, and needs no view of its own. Frames
   * of streams that have ended here are dropped: they were on their way.
   */
  onData(number: number, bytes: Uint8Array, start = 0, end = bytes.length): void {
    const isWhole = start === 0 && end === bytes.length;
    this.#streams.get(number)?.onData(isWhole ? bytes : bytes.subarray(start, end));
  }

  onEnd(number: number): void {
    this.#streams.get(number)?.onEnd();
  }

  onReset(number: number, reader: PayloadReader): void {
    this.#streams.get(number)?.onReset(decodeWireError(reader));
  }

  onWindow(number: number, bytes: number): void {
    this.#streams.get(number)?.onWindow(bytes);
  }

  fail(error: Error): void {
    for (const stream of [...this.#streams.values()]) stream.fail(error);
  }

  sendFrame(level: number, type: number, channel: number, payload: Uint8Array): void {
    this.#serving.sendFrame(level, type, channel, payload);
  }

  reserve(wanted: number): number {
    const granted = Math.min(wanted, this.#budgetBytes);
    this.#budgetBytes -= granted;
    return granted;
  }

  release(bytes: number): void {
    this.#budgetBytes += bytes;
  }

  onStreamDone(stream: StreamCore): void {
    if (!this.#streams.delete(stream.channel)) return;
    if (stream.channel % 2 === Math.abs(this.#lastNumber) % 2) this.#opened--;
    else this.#accepted--;
    this.#serving.onDone();
  }

  async #run(stream: StreamCore): Promise<void> {
    try {
      const { handlers, traces } = this.#serving;
      const serve = () => handlers.onStream?.(stream);
      await (traces === undefined ? serve() : traces.runStream(stream.channel, serve));
      stream.finish();
    } catch (error) {
      const told = toWireError(error);
      stream.reset(told.code, told.message, told.details);
    }
  }

  #nextNumber(): number {
    do {
      this.#lastNumber += 2;
      if (this.#lastNumber > CHANNEL_NUMBER_MAX) {
        this.#lastNumber = this.#serving.side === "dialer" ? 1 : 2;
      }
    } while (this.#streams.has(this.#lastNumber));
    return this.#lastNumber;
  }
}

function cancelWith(stream: StreamCore, signal: AbortSignal): void {
  const onAbort = () => stream.reset("QW_CANCELLED", "the caller cancelled");
  signal.addEventListener("abort", onAbort, { once: true });
  stream.onGone = () => signal.removeEventListener("abort", onAbort);
}
