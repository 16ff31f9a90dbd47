/**
 * Encodes the frames of one priority into segments that are ready to be written. Small frames of
 * one tick lie in one buffer, so that a segment is one piece; large payloads are passed by
 * reference. A segment always ends at the end of a frame, so that another priority may go between
 * two segments.
 *
 * The buffer's size follows the traffic: an idle link holds about 1 KiB, a busy one 64 KiB. Written
 * parts are never changed again; what is left of a buffer is used by the next tick.
 */
import { FRAME_HEADER_BYTES_MAX, writeFrameHeader, writeVarint } from "./frames.js";
import { COPY_BYTES_MAX, WRITE_BYTES_TARGET } from "./limits.js";

export interface Segment {
  readonly pieces: Uint8Array[];
  readonly bytes: number;
}

const BUFFER_BYTES_MIN = 1024;
const NOTHING = new Uint8Array(0);

export class FrameWriter {
  #buffer: Uint8Array = NOTHING;
  #at = 0;
  /** Where the part of the buffer begins that is not in `#pieces` yet. */
  #runStart = 0;
  #nextBufferBytes = BUFFER_BYTES_MIN;
  #pieces: Uint8Array[] = [];
  #pieceBytes = 0;
  #segments: Segment[] = [];
  #taken = 0;
  /** Bytes encoded and not taken. */
  queuedBytes = 0;
  framesOut = 0;

  /** A whole frame with one payload. */
  frame(type: number, channel: number, payload: Uint8Array): void {
    this.begin(type, channel, payload.length);
    this.bytes(payload);
    this.finish();
  }

  /**
   * After this, exactly `payloadBytes` follow by `byte`, `varint` and `bytes`, and then `finish`.
   */
  begin(type: number, channel: number, payloadBytes: number): void {
    const needed = FRAME_HEADER_BYTES_MAX + (payloadBytes <= COPY_BYTES_MAX ? payloadBytes : 0);
    if (this.#buffer.length - this.#at < needed) {
      this.#closeSegment();
      this.#newBuffer(needed);
    }
    const start = this.#at;
    this.#at = writeFrameHeader(this.#buffer, start, type, channel, payloadBytes);
    this.queuedBytes += this.#at - start + payloadBytes;
    this.framesOut++;
  }

  byte(value: number): void {
    if (this.#at === this.#buffer.length) this.#moreBuffer(1);
    this.#buffer[this.#at++] = value;
  }

  varint(value: number): void {
    if (this.#buffer.length - this.#at < 5) this.#moreBuffer(5);
    this.#at = writeVarint(this.#buffer, this.#at, value);
  }

  bytes(bytes: Uint8Array): void {
    const length = bytes.length;
    if (length > COPY_BYTES_MAX) {
      this.#closeRun();
      this.#pieces.push(bytes);
      this.#pieceBytes += length;
      return;
    }
    if (this.#buffer.length - this.#at < length) this.#moreBuffer(length);
    this.#buffer.set(bytes, this.#at);
    this.#at += length;
  }

  /** True when a segment has become full, and may as well be written at once. */
  finish(): boolean {
    if (this.#pieceBytes + this.#at - this.#runStart < WRITE_BYTES_TARGET) return false;
    this.#closeSegment();
    return true;
  }

  /** The next segment, also one that is not full. */
  take(): Segment | undefined {
    if (this.#taken === this.#segments.length) {
      this.#segments.length = 0;
      this.#taken = 0;
      const usedBytes = this.#at - this.#runStart;
      this.#closeSegment();
      if (usedBytes * 4 < this.#nextBufferBytes) this.#shrink();
    }
    const segment = this.#segments[this.#taken];
    if (segment === undefined) return undefined;
    this.#taken++;
    this.queuedBytes -= segment.bytes;
    if (this.#taken > 64 && this.#taken * 2 > this.#segments.length) {
      this.#segments.splice(0, this.#taken);
      this.#taken = 0;
    }
    return segment;
  }

  clear(): void {
    this.#segments = [];
    this.#taken = 0;
    this.#pieces = [];
    this.#pieceBytes = 0;
    this.#buffer = NOTHING;
    this.#at = 0;
    this.#runStart = 0;
    this.queuedBytes = 0;
  }

  #closeRun(): void {
    if (this.#at === this.#runStart) return;
    this.#pieces.push(this.#buffer.subarray(this.#runStart, this.#at));
    this.#pieceBytes += this.#at - this.#runStart;
    this.#runStart = this.#at;
  }

  #closeSegment(): void {
    this.#closeRun();
    if (this.#pieceBytes === 0) return;
    this.#segments.push({ pieces: this.#pieces, bytes: this.#pieceBytes });
    this.#pieces = [];
    this.#pieceBytes = 0;
  }

  /** In the middle of a frame: the segment goes on in another buffer. */
  #moreBuffer(needed: number): void {
    this.#closeRun();
    this.#newBuffer(needed);
  }

  /** A buffer was used up within a tick or over some: the next one is larger. */
  #newBuffer(needed: number): void {
    this.#nextBufferBytes = Math.min(this.#nextBufferBytes * 2, WRITE_BYTES_TARGET);
    this.#buffer = Buffer.allocUnsafeSlow(Math.max(this.#nextBufferBytes, needed));
    this.#at = 0;
    this.#runStart = 0;
  }

  #shrink(): void {
    this.#nextBufferBytes = Math.max(this.#nextBufferBytes >>> 1, BUFFER_BYTES_MIN);
    if (this.#buffer.length > 4 * this.#nextBufferBytes) {
      this.#buffer = NOTHING;
      this.#at = 0;
      this.#runStart = 0;
    }
  }
}
