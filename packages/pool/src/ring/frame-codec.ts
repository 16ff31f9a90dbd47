/**
 * Frames of the tensor plane: a header of 20 bytes and a payload, little-endian.
 *
 *     0  u32  bytes of the payload
 *     4  u8   kind
 *     5  3 zero bytes
 *     8  u64  epoch
 *    16  u32  number: of the exchange, of the step, or 0
 *
 * The reader keeps no frame: it hands each one on as soon as it is whole, as a view that is good
 * until the call returns. What a payload may have is asked for before a byte of it is kept.
 */
import { endianness } from "node:os";
import { MeshError } from "@hearthmesh/core";

export const HEADER_BYTES = 20;

export const FrameKind = {
  /** Both sides, once, before anything else: whether their plans are the same. */
  hello: 1,
  /** One-shot: the sender's partial sums of a phase, all rows. */
  partial: 2,
  /** Scatter and gather: the sender's partial sums of the receiver's part of the rows. */
  scatter: 3,
  /** Scatter and gather: the whole sums of the sender's part. */
  gather: 4,
  /** From the leader: what to do next. */
  step: 5,
  /** To the leader: what came of it. */
  result: 6,
  /** The sender gives the epoch up; the payload says because of whom. */
  fault: 7,
} as const;

const KINDS = new Set<number>(Object.values(FrameKind));

export interface FrameHeader {
  readonly kind: number;
  readonly epoch: number;
  readonly number: number;
  readonly payloadBytes: number;
}

export function writeHeader(out: DataView, header: FrameHeader): void {
  out.setUint32(0, header.payloadBytes, true);
  out.setUint32(4, header.kind, true);
  out.setUint32(8, header.epoch % 2 ** 32, true);
  out.setUint32(12, Math.floor(header.epoch / 2 ** 32), true);
  out.setUint32(16, header.number, true);
}

export interface FrameSink {
  /** Largest payload of this kind that can be right now. */
  payloadBytesMax(kind: number): number;
  onFrame(header: FrameHeader, payload: Uint8Array): void;
}

/** Cuts a stream of bytes into frames. */
export class FrameReader {
  readonly #sink: FrameSink;
  readonly #header = new Uint8Array(HEADER_BYTES);
  readonly #view = new DataView(this.#header.buffer);
  #headerBytes = 0;
  #current: FrameHeader | undefined;
  #payload = new Uint8Array(0);
  #payloadBytes = 0;

  constructor(sink: FrameSink) {
    this.#sink = sink;
  }

  /** `MESH_RING_FRAME_INVALID`; nothing may be read after it. */
  read(bytes: Uint8Array): void {
    let at = 0;
    while (at < bytes.length || this.#isEmptyFrame()) {
      if (this.#current === undefined) {
        at = this.#readHeader(bytes, at);
        continue;
      }
      at = this.#readPayload(this.#current, bytes, at);
    }
  }

  #isEmptyFrame(): boolean {
    return this.#current?.payloadBytes === 0;
  }

  #readHeader(bytes: Uint8Array, at: number): number {
    const end = Math.min(bytes.length, at + HEADER_BYTES - this.#headerBytes);
    this.#header.set(bytes.subarray(at, end), this.#headerBytes);
    this.#headerBytes += end - at;
    if (this.#headerBytes === HEADER_BYTES) {
      this.#headerBytes = 0;
      this.#current = this.#checkedHeader();
    }
    return end;
  }

  #checkedHeader(): FrameHeader {
    const view = this.#view;
    const payloadBytes = view.getUint32(0, true);
    const kind = view.getUint32(4, true);
    const epoch = view.getUint32(8, true) + 2 ** 32 * view.getUint32(12, true);
    if (!KINDS.has(kind)) throw invalidFrame(`a frame has the unknown kind ${kind}`);
    if (!Number.isSafeInteger(epoch)) throw invalidFrame("the epoch of a frame is too large");
    const max = this.#sink.payloadBytesMax(kind);
    if (payloadBytes > max) {
      throw invalidFrame(`a frame of kind ${kind} has ${payloadBytes} bytes; ${max} are the most`);
    }
    return { kind, epoch, number: view.getUint32(16, true), payloadBytes };
  }

  #readPayload(header: FrameHeader, bytes: Uint8Array, at: number): number {
    const { payloadBytes } = header;
    const end = Math.min(bytes.length, at + payloadBytes - this.#payloadBytes);
    if (this.#payloadBytes === 0 && end - at === payloadBytes) {
      this.#current = undefined;
      this.#sink.onFrame(header, bytes.subarray(at, end));
      return end;
    }
    if (this.#payload.length < payloadBytes) this.#payload = new Uint8Array(payloadBytes);
    this.#payload.set(bytes.subarray(at, end), this.#payloadBytes);
    this.#payloadBytes += end - at;
    if (this.#payloadBytes === payloadBytes) {
      this.#payloadBytes = 0;
      this.#current = undefined;
      this.#sink.onFrame(header, this.#payload.subarray(0, payloadBytes));
    }
    return end;
  }
}

export function invalidFrame(message: string): MeshError {
  return new MeshError("MESH_RING_FRAME_INVALID", { message });
}

/** Activations travel as they lie in memory: `MESH_ENGINE_FAILED` where that is the other way. */
export function requireLittleEndian(): void {
  if (endianness() === "LE") return;
  throw new MeshError("MESH_ENGINE_FAILED", { message: "big-endian machines cannot join a ring" });
}
