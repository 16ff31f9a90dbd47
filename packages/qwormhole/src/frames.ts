/**
 * The frame codec, without I/O. A side sends `PREAMBLE` once and then frames:
 *
 *     length u32 | type u8 | flags u8 | channel varint | payload
 *
 * Numbers are big-endian; `length` counts everything after itself; a varint is LEB128 of at most
 * five bytes, below 2^31. `docs/wire.md` is the specification.
 *
 * Decoder states: preamble, frame boundary, inside a frame that crosses chunks, failed. Invariants:
 * a frame above the limit is refused before memory is taken for it; every received byte is copied
 * at most once, and only when its frame crosses a chunk. STREAM_DATA is never copied: its payload
 * is handed on in the parts in which it arrives, because bytes of a stream have no other
 * boundaries. After an error the decoder stays failed, for the position in the bytes is lost.
 */
import { QWormholeError } from "./errors.js";

export const FrameType = {
  HELLO: 0x01,
  AUTH: 0x02,
  READY: 0x03,
  PING: 0x04,
  PONG: 0x05,
  GOAWAY: 0x06,
  DATA: 0x10,
  REQ: 0x20,
  RES: 0x21,
  ERR: 0x22,
  CANCEL: 0x23,
  STREAM_OPEN: 0x30,
  STREAM_DATA: 0x31,
  STREAM_END: 0x32,
  STREAM_RESET: 0x33,
  WINDOW: 0x34,
  TRACE: 0x80,
} as const;
export type FrameType = (typeof FrameType)[keyof typeof FrameType];

/** Frame types from here on may be skipped by a side that does not know them. */
export const FRAME_TYPE_SKIPPABLE_MIN = 0x80;

export const WIRE_VERSION = 1;
/** "QWRM", the wire version, and three bytes that are zero in version 1. */
export const PREAMBLE: Uint8Array = Uint8Array.of(0x51, 0x57, 0x52, 0x4d, WIRE_VERSION, 0, 0, 0);

/** Type, flags, and a channel of one byte. */
const FRAME_BYTES_MIN = 3;
/** Length, type, flags, and a channel of five bytes. */
export const FRAME_HEADER_BYTES_MAX = 11;

export function varintBytes(value: number): number {
  if (value < 0x80) return 1;
  if (value < 0x4000) return 2;
  if (value < 0x20_0000) return 3;
  return value < 0x1000_0000 ? 4 : 5;
}

/** Writes LEB128 and returns the offset behind it. `value` is an integer in [0, 2^31). */
export function writeVarint(target: Uint8Array, offset: number, value: number): number {
  let at = offset;
  let rest = value;
  while (rest > 0x7f) {
    target[at++] = (rest & 0x7f) | 0x80;
    rest >>>= 7;
  }
  target[at++] = rest;
  return at;
}

/** Writes everything before the payload and returns the offset behind it. */
export function writeFrameHeader(
  target: Uint8Array,
  offset: number,
  type: number,
  channel: number,
  payloadBytes: number,
): number {
  const length = 2 + varintBytes(channel) + payloadBytes;
  target[offset] = length >>> 24;
  target[offset + 1] = length >>> 16;
  target[offset + 2] = length >>> 8;
  target[offset + 3] = length;
  target[offset + 4] = type;
  target[offset + 5] = 0;
  if (channel < 0x80) {
    target[offset + 6] = channel;
    return offset + 7;
  }
  return writeVarint(target, offset + 6, channel);
}

/** One frame as bytes of its own; for the handshake, tests and tools. */
export function encodeFrame(type: number, channel: number, payload: Uint8Array): Uint8Array {
  const frame = new Uint8Array(6 + varintBytes(channel) + payload.length);
  frame.set(payload, writeFrameHeader(frame, 0, type, channel, payload.length));
  return frame;
}

/** Reads numbers and byte runs out of a payload; throws `QW_FRAME_INVALID` at its end. */
export class PayloadReader {
  #at: number;
  constructor(
    public bytes: Uint8Array,
    start: number,
    public end: number,
  ) {
    this.#at = start;
  }

  /** Goes on with another payload, which saves an object for each frame. */
  reset(bytes: Uint8Array, start: number, end: number): void {
    this.bytes = bytes;
    this.#at = start;
    this.end = end;
  }

  get offset(): number {
    return this.#at;
  }

  byte(): number {
    if (this.#at >= this.end) throw truncated();
    return this.bytes[this.#at++] as number;
  }

  varint(): number {
    let value = this.byte();
    if (value < 0x80) return value;
    value &= 0x7f;
    for (let shift = 7; shift <= 28; shift += 7) {
      const byte = this.byte();
      // Above 2^31 the sum turns negative; a last byte of zero could have been left out.
      value |= (byte & 0x7f) << shift;
      if (byte < 0x80) {
        if (value < 0 || byte === 0 || (shift === 28 && byte > 0x07)) break;
        return value;
      }
    }
    throw new QWormholeError("QW_FRAME_INVALID", { message: "a number is not a short varint" });
  }

  /** A view. */
  take(length: number): Uint8Array {
    if (length > this.end - this.#at) throw truncated();
    this.#at += length;
    return this.bytes.subarray(this.#at - length, this.#at);
  }

  rest(): Uint8Array {
    return this.take(this.end - this.#at);
  }
}

function truncated(): QWormholeError {
  return new QWormholeError("QW_FRAME_INVALID", { message: "a payload is shorter than it says" });
}

export interface FrameSink {
  /**
   * `bytes[start, end)` is the payload and may be kept. STREAM_DATA may arrive in several calls for
   * one frame. Called only while the decoder is not stopped.
   */
  onFrame(type: number, channel: number, bytes: Uint8Array, start: number, end: number): void;
}

export class FrameDecoder {
  readonly #sink: FrameSink;
  #limitBytes: number;
  #state: "preamble" | "frames" | "stopped" = "preamble";
  /** The start of a frame that is not whole yet: at most `FRAME_HEADER_BYTES_MAX` bytes. */
  readonly #head = new Uint8Array(FRAME_HEADER_BYTES_MAX);
  #headBytes = 0;
  /** A frame whose rest comes with later chunks, without its length field. */
  #body: Uint8Array | undefined;
  #bodyBytes = 0;
  /** Bytes of a STREAM_DATA payload that are still to come. */
  #streamBytes = 0;
  #streamChannel = 0;
  readonly #reader = new PayloadReader(this.#head, 0, 0);
  /** Whole frames that were begun. */
  framesIn = 0;

  /** `limitBytes` bounds the length field. */
  constructor(sink: FrameSink, limitBytes: number) {
    this.#sink = sink;
    this.#limitBytes = limitBytes;
  }

  setLimit(limitBytes: number): void {
    this.#limitBytes = limitBytes;
  }

  /** Ignores everything that comes from now on, also the rest of a chunk under way. */
  stop(): void {
    this.#state = "stopped";
    this.#body = undefined;
  }

  /** Throws `QW_NOT_A_LINK`, `QW_VERSION_UNSUPPORTED`, `QW_FRAME_TOO_LARGE`, `QW_FRAME_INVALID`. */
  push(chunk: Uint8Array): void {
    if (this.#state === "stopped") return;
    try {
      let offset = this.#state === "preamble" ? this.#readPreamble(chunk) : 0;
      if (this.#streamBytes > 0 || this.#body !== undefined || this.#headBytes > 0) {
        offset = this.#continueFrame(chunk, offset);
      }
      this.#readFrames(chunk, offset);
    } catch (error) {
      this.stop();
      throw error;
    }
  }

  #readPreamble(chunk: Uint8Array): number {
    let offset = 0;
    while (offset < chunk.length && this.#headBytes < PREAMBLE.length) {
      const byte = chunk[offset++] as number;
      if (byte !== PREAMBLE[this.#headBytes]) {
        if (this.#headBytes === 4) {
          const message = `the peer speaks wire version ${byte}, this side ${WIRE_VERSION}`;
          throw new QWormholeError("QW_VERSION_UNSUPPORTED", { message });
        }
        throw new QWormholeError("QW_NOT_A_LINK");
      }
      this.#headBytes++;
    }
    if (this.#headBytes === PREAMBLE.length) {
      this.#headBytes = 0;
      this.#state = "frames";
    }
    return offset;
  }

  /** The hot path: frames that lie whole in the chunk. */
  #readFrames(chunk: Uint8Array, from: number): void {
    const end = chunk.length;
    let offset = from;
    while (this.#state === "frames" && end - offset >= 7) {
      const length = lengthAt(chunk, offset);
      if (length > this.#limitBytes || length < FRAME_BYTES_MIN) throw this.#badLength(length);
      const frameEnd = offset + 4 + length;
      if (frameEnd > end) break;
      this.#deliver(chunk, offset + 4, frameEnd);
      offset = frameEnd;
    }
    if (this.#state === "frames" && offset < end) this.#keepRest(chunk, offset);
  }

  /** `start` is at the type. */
  #deliver(bytes: Uint8Array, start: number, end: number): void {
    const type = bytes[start] as number;
    if (bytes[start + 1] !== 0) throw unknownFlags(bytes[start + 1] as number);
    let channel = bytes[start + 2] as number;
    let payload = start + 3;
    if (channel > 0x7f) {
      this.#reader.reset(bytes, start + 2, end);
      channel = this.#reader.varint();
      payload = this.#reader.offset;
    }
    this.framesIn++;
    this.#sink.onFrame(type, channel, bytes, payload, end);
  }

  /** What is left of a chunk is the beginning of one frame. */
  #keepRest(chunk: Uint8Array, offset: number): void {
    const available = chunk.length - offset;
    if (available < FRAME_HEADER_BYTES_MAX) {
      this.#head.set(chunk.subarray(offset), 0);
      this.#headBytes = available;
      if (available >= 4) this.#checkHeadLength();
      return;
    }
    this.#beginFrame(chunk, offset);
  }

  /** `bytes` holds at least the whole header, and not the whole frame. */
  #beginFrame(bytes: Uint8Array, offset: number): void {
    const length = lengthAt(bytes, offset);
    if (length > this.#limitBytes || length < FRAME_BYTES_MIN) throw this.#badLength(length);
    const frameEnd = offset + 4 + length;
    if (bytes[offset + 4] === FrameType.STREAM_DATA) {
      if (bytes[offset + 5] !== 0) throw unknownFlags(bytes[offset + 5] as number);
      const reader = new PayloadReader(bytes, offset + 6, Math.min(frameEnd, bytes.length));
      this.#streamChannel = reader.varint();
      this.#streamBytes = frameEnd - reader.offset;
      this.framesIn++;
      this.#deliverStream(bytes, reader.offset);
      return;
    }
    this.#body = Buffer.allocUnsafeSlow(length);
    this.#body.set(bytes.subarray(offset + 4), 0);
    this.#bodyBytes = bytes.length - offset - 4;
  }

  /** Takes what belongs to the frame under way and returns where the next one begins. */
  #continueFrame(chunk: Uint8Array, from: number): number {
    let offset = from;
    if (this.#headBytes > 0) {
      offset = this.#continueHead(chunk, offset);
      if (this.#headBytes > 0) return chunk.length;
    }
    if (this.#streamBytes > 0) return this.#deliverStream(chunk, offset);
    const body = this.#body;
    if (body === undefined) return offset;
    const taken = Math.min(body.length - this.#bodyBytes, chunk.length - offset);
    body.set(chunk.subarray(offset, offset + taken), this.#bodyBytes);
    this.#bodyBytes += taken;
    if (this.#bodyBytes === body.length) {
      this.#body = undefined;
      this.#deliver(body, 0, body.length);
    }
    return offset + taken;
  }

  /** Completes the header, or a frame that is shorter than the longest header. */
  #continueHead(chunk: Uint8Array, from: number): number {
    let offset = from;
    while (offset < chunk.length && this.#headBytes < FRAME_HEADER_BYTES_MAX) {
      this.#head[this.#headBytes++] = chunk[offset++] as number;
      if (this.#headBytes < 4) continue;
      const frameBytes = 4 + this.#checkHeadLength();
      if (this.#headBytes === frameBytes) {
        this.#headBytes = 0;
        this.#deliver(this.#head.slice(0, frameBytes), 4, frameBytes);
        return offset;
      }
    }
    if (this.#headBytes === FRAME_HEADER_BYTES_MAX) {
      this.#headBytes = 0;
      this.#beginFrame(this.#head.slice(), 0);
    }
    return offset;
  }

  #checkHeadLength(): number {
    const length = lengthAt(this.#head, 0);
    if (length > this.#limitBytes || length < FRAME_BYTES_MIN) throw this.#badLength(length);
    return length;
  }

  #deliverStream(chunk: Uint8Array, offset: number): number {
    const end = Math.min(chunk.length, offset + this.#streamBytes);
    this.#streamBytes -= end - offset;
    if (end > offset) {
      this.#sink.onFrame(FrameType.STREAM_DATA, this.#streamChannel, chunk, offset, end);
    }
    return end;
  }

  #badLength(length: number): QWormholeError {
    if (length < FRAME_BYTES_MIN) {
      return new QWormholeError("QW_FRAME_INVALID", {
        message: "a frame is shorter than its head",
      });
    }
    const message = `a frame claims ${length} bytes; the limit is ${this.#limitBytes}`;
    return new QWormholeError("QW_FRAME_TOO_LARGE", { message });
  }
}

function lengthAt(bytes: Uint8Array, offset: number): number {
  return (
    (((bytes[offset] as number) << 24) |
      ((bytes[offset + 1] as number) << 16) |
      ((bytes[offset + 2] as number) << 8) |
      (bytes[offset + 3] as number)) >>>
    0
  );
}

function unknownFlags(flags: number): QWormholeError {
  const message = `a frame has flags 0x${flags.toString(16)}, which were not agreed on`;
  return new QWormholeError("QW_FRAME_INVALID", { message });
}
