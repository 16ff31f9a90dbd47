/**
 * One stream of a link. Each direction ends on its own; a reset ends both.
 *
 * Sending: a piece waits until the peer gave credit for it and the channel took it; then its
 * `write` resolves. Receiving: unread bytes never exceed the credit that was given; it is given
 * again in halves of the window as the reader takes bytes. The window grows with the first bytes,
 * from the base that HELLO named, as far as the link's budget allows.
 *
 * States of a direction: open, ended; of the stream: live, closed (both ended), failed (reset, or
 * the link ended). In `failed`, writes and reads throw the error and `signal` is aborted.
 */
import { QWormholeError } from "./errors.js";
import { FrameType, varintBytes, writeFrameHeader, writeVarint } from "./frames.js";
import { CHANNEL_NUMBER_MAX, STREAM_TAIL_BYTES_MAX, WRITE_BYTES_TARGET } from "./limits.js";
import type { LinkStream, Peer } from "./link.js";
import type { FrameSource, Outbox } from "./outbox.js";
import { PieceQueue } from "./piece-queue.js";
import { encodeWireError, fromWireError, type WireError } from "./wire-error.js";

/** What a stream needs of its link. */
export interface StreamHost {
  readonly peer: Peer;
  readonly outbox: Outbox;
  readonly streamWindowBytes: number;
  readonly streamBaseBytes: number;
  readonly queueBytesMax: number;
  /** Sends a frame; when the queue is full, the link ends instead of throwing here. */
  sendFrame(level: number, type: number, channel: number, payload: Uint8Array): void;
  /** Takes up to `wanted` bytes out of the link's budget and returns how many. */
  reserve(wanted: number): number;
  release(bytes: number): void;
  onStreamDone(stream: StreamCore): void;
}

interface PendingWrite {
  bytes: Uint8Array;
  offset: number;
  resolve: () => void;
  reject: (error: Error) => void;
}

interface Waiter {
  resolve: (result: IteratorResult<Uint8Array, undefined>) => void;
  reject: (error: Error) => void;
}

const EMPTY = new Uint8Array(0);
const TAKEN: Promise<void> = Promise.resolve();

export class StreamCore implements LinkStream, FrameSource {
  readonly #host: StreamHost;
  readonly #level: number;
  #openFrame: Uint8Array | undefined;
  #sendCredit: number;
  #writes: PendingWrite[] = [];
  #pendingBytes = 0;
  #ending = false;
  #endSent = false;
  readonly #unread = new PieceQueue();
  #waiters: Waiter[] = [];
  /** Bytes that the peer may still send. */
  #receiveCredit: number;
  #windowBytes: number;
  #reservedBytes = 0;
  #takenBytes = 0;
  #remoteEnded = false;
  #discarding = false;
  #error: Error | undefined;
  #done = false;
  #controller: AbortController | undefined;
  /** Called once when the stream is closed or failed. */
  onGone: (() => void) | undefined;

  constructor(
    host: StreamHost,
    readonly channel: number,
    readonly method: string,
    readonly header: Uint8Array,
    level: number,
    sendCreditBytes: number,
    openFrame: Uint8Array | undefined,
  ) {
    this.#host = host;
    this.#level = level;
    this.#sendCredit = sendCreditBytes;
    this.#receiveCredit = host.streamBaseBytes;
    this.#windowBytes = host.streamBaseBytes;
    this.#openFrame = openFrame;
    if (openFrame !== undefined) host.outbox.activate(this, level);
  }

  get peer(): Peer {
    return this.#host.peer;
  }

  get pendingBytes(): number {
    return this.#pendingBytes;
  }

  get copiesWrites(): boolean {
    return this.#host.outbox.copiesWrites;
  }

  get signal(): AbortSignal {
    this.#controller ??= new AbortController();
    if (this.#error !== undefined) this.#controller.abort(this.#error);
    return this.#controller.signal;
  }

  get readable(): AsyncIterable<Uint8Array> {
    return { [Symbol.asyncIterator]: () => ({ next: () => this.#read() }) };
  }

  write(bytes: Uint8Array): Promise<void> {
    if (this.#error !== undefined) return Promise.reject(this.#error);
    if (this.#ending) return Promise.reject(new QWormholeError("QW_STREAM_ENDED"));
    if (!ArrayBuffer.isView(bytes)) return Promise.reject(new TypeError("not a Uint8Array"));
    if (bytes.length === 0) return TAKEN;
    if (this.#pendingBytes + bytes.length > this.#host.queueBytesMax) {
      return Promise.reject(new QWormholeError("QW_QUEUE_FULL"));
    }
    this.#pendingBytes += bytes.length;
    return new Promise((resolve, reject) => {
      this.#writes.push({ bytes, offset: 0, resolve, reject });
      this.#wakeOutbox();
    });
  }

  end(): void {
    if (this.#ending || this.#error !== undefined) return;
    this.#ending = true;
    this.#wakeOutbox();
  }

  reset(code: string, message: string, details: Uint8Array = EMPTY): void {
    if (this.#error !== undefined || this.#done) return;
    this.#sendReset({ code, message, details });
    this.fail(new QWormholeError("QW_STREAM_RESET", { message: `${code}: ${message}` }));
  }

  /** Ends what is still open after the handler has returned. Unread bytes are dropped. */
  finish(): void {
    this.end();
    this.#discarding = true;
    const unread = this.#unread.bytes;
    this.#unread.clear();
    if (unread > 0) this.#giveCredit(unread);
  }

  get hasWork(): boolean {
    if (this.#error !== undefined || this.#done) return false;
    if (this.#openFrame !== undefined) return true;
    if (this.#pendingBytes > 0) return this.#sendCredit > 0;
    return this.#ending && !this.#endSent;
  }

  produce(pieces: Uint8Array[]): number {
    if (this.#openFrame !== undefined) {
      const frame = this.#openFrame;
      this.#openFrame = undefined;
      pieces.push(frame);
      return frame.length;
    }
    if (this.#pendingBytes > 0) return this.#produceData(pieces);
    const end = this.#headOf(FrameType.STREAM_END, 0);
    pieces.push(end);
    this.#endSent = true;
    this.#checkDone();
    return end.length;
  }

  #produceData(pieces: Uint8Array[]): number {
    const payloadBytes = this.#nextPayloadBytes();
    const head = this.#headOf(FrameType.STREAM_DATA, payloadBytes);
    pieces.push(head);
    this.#sendCredit -= payloadBytes;
    this.#pendingBytes -= payloadBytes;
    let left = payloadBytes;
    while (left > 0) {
      const write = this.#writes[0] as PendingWrite;
      const taken = Math.min(left, write.bytes.length - write.offset);
      const whole = taken === write.bytes.length;
      pieces.push(whole ? write.bytes : write.bytes.subarray(write.offset, write.offset + taken));
      write.offset += taken;
      left -= taken;
      if (write.offset === write.bytes.length) {
        this.#writes.shift();
        write.resolve();
      }
    }
    return head.length + payloadBytes;
  }

  /**
   * A full frame is four whole TLS records, so that the next header begins a record: the receiver
   * gets each record as a chunk of its own and cuts none in two. A short rest, such as pieces of a
   * round size leave, goes with the frame before it.
   */
  #nextPayloadBytes(): number {
    const sendable = Math.min(this.#pendingBytes, this.#sendCredit);
    const full = WRITE_BYTES_TARGET - 6 - varintBytes(this.channel);
    return sendable <= full + STREAM_TAIL_BYTES_MAX ? sendable : full;
  }

  #headOf(type: number, payloadBytes: number): Uint8Array {
    const head = Buffer.allocUnsafe(6 + varintBytes(this.channel));
    writeFrameHeader(head, 0, type, this.channel, payloadBytes);
    return head;
  }

  #wakeOutbox(): void {
    if (this.hasWork) this.#host.outbox.activate(this, this.#level);
  }

  onWindow(bytes: number): void {
    this.#sendCredit += bytes;
    if (this.#sendCredit > CHANNEL_NUMBER_MAX) {
      throw new QWormholeError("QW_FRAME_INVALID", { message: "a window grew beyond 2^31" });
    }
    this.#wakeOutbox();
  }

  /** Throws `QW_WINDOW_VIOLATED`, which ends the link. */
  onData(bytes: Uint8Array): void {
    if (this.#remoteEnded) {
      throw new QWormholeError("QW_FRAME_INVALID", { message: "stream data came after its end" });
    }
    if (bytes.length > this.#receiveCredit) throw new QWormholeError("QW_WINDOW_VIOLATED");
    this.#receiveCredit -= bytes.length;
    if (this.#windowBytes < this.#host.streamWindowBytes) this.#growWindow();
    const waiter = this.#discarding ? undefined : this.#waiters.shift();
    if (waiter === undefined && !this.#discarding) {
      this.#unread.push(bytes);
      return;
    }
    waiter?.resolve({ done: false, value: bytes });
    this.#giveCredit(bytes.length);
  }

  onEnd(): void {
    if (this.#remoteEnded) return;
    this.#remoteEnded = true;
    for (const waiter of this.#waiters) waiter.resolve({ done: true, value: undefined });
    this.#waiters = [];
    this.#checkDone();
  }

  onReset(error: WireError): void {
    this.fail(fromWireError("QW_STREAM_RESET", error));
  }

  /** Ends both directions with `error`; the peer is not told. */
  fail(error: Error): void {
    if (this.#error !== undefined || this.#done) return;
    this.#error = error;
    this.#unread.clear();
    this.#pendingBytes = 0;
    for (const write of this.#writes) write.reject(error);
    for (const waiter of this.#waiters) waiter.reject(error);
    this.#writes = [];
    this.#waiters = [];
    this.#controller?.abort(error);
    this.#leave();
  }

  #sendReset(error: WireError): void {
    if (this.#openFrame !== undefined) {
      this.#openFrame = undefined;
      return;
    }
    const payload = encodeWireError(error);
    this.#host.sendFrame(this.#level, FrameType.STREAM_RESET, this.channel, payload);
  }

  #read(): Promise<IteratorResult<Uint8Array, undefined>> {
    const value = this.#unread.shift();
    if (value !== undefined) {
      this.#giveCredit(value.length);
      return Promise.resolve({ done: false, value });
    }
    if (this.#error !== undefined) return Promise.reject(this.#error);
    if (this.#remoteEnded) return Promise.resolve({ done: true, value: undefined });
    return new Promise((resolve, reject) => this.#waiters.push({ resolve, reject }));
  }

  #growWindow(): void {
    const wanted = this.#host.streamWindowBytes - this.#windowBytes;
    const granted = this.#host.reserve(wanted);
    if (granted === 0) return;
    this.#reservedBytes += granted;
    this.#windowBytes += granted;
    this.#sendWindow(granted);
  }

  #giveCredit(bytes: number): void {
    this.#takenBytes += bytes;
    if (this.#remoteEnded || this.#error !== undefined) return;
    if (this.#takenBytes * 2 < this.#windowBytes) return;
    const given = this.#takenBytes;
    this.#takenBytes = 0;
    this.#sendWindow(given);
  }

  #sendWindow(bytes: number): void {
    this.#receiveCredit += bytes;
    const payload = new Uint8Array(varintBytes(bytes));
    writeVarint(payload, 0, bytes);
    this.#host.sendFrame(0, FrameType.WINDOW, this.channel, payload);
  }

  #checkDone(): void {
    if (this.#endSent && this.#remoteEnded && !this.#done) {
      this.#done = true;
      this.#leave();
    }
  }

  #leave(): void {
    this.#host.release(this.#reservedBytes);
    this.#reservedBytes = 0;
    this.#host.onStreamDone(this);
    this.onGone?.();
  }
}
