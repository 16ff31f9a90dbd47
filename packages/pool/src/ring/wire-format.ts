/**
 * In which numbers partial sums travel. Narrow models send float32 as it is: their messages fit a
 * few packets anyway, and what an answer says then depends on the number of members only by the
 * order of additions. Wide ones send bfloat16, half the bytes, and everybody rounds its own part
 * too. All members have the same model, so they have the same format.
 */
import { addBf16, bf16Scratch, encodeBf16, type Sums, setBf16 } from "./bf16.js";

/** Bytes as they travel, and the same memory as numbers; made once and used again. */
export interface Payload {
  readonly bytes: Uint8Array;
  readonly halves: Uint16Array;
  readonly floats: Float32Array;
}

/** The rest of a buffer from `byteOffset` on, which is a multiple of four. */
export function payloadOf(buffer: ArrayBuffer, byteOffset = 0): Payload {
  const length = buffer.byteLength - byteOffset;
  return {
    bytes: new Uint8Array(buffer, byteOffset),
    halves: new Uint16Array(buffer, byteOffset, Math.floor(length / 2)),
    floats: new Float32Array(buffer, byteOffset, Math.floor(length / 4)),
  };
}

export interface WireFormat {
  readonly valueBytes: number;
  /** Writes `count` values from `from` on. False when one of them is not finite as it is sent. */
  encode(values: Float32Array, from: number, count: number, payload: Payload): boolean;
  /** Sets `sums` from `at` on to the first `count` values. False when one is not finite. */
  set(payload: Payload, count: number, sums: Sums, at: number): boolean;
  /** Adds them instead. */
  add(payload: Payload, count: number, sums: Sums, at: number): boolean;
}

/** Widest model whose sums travel as float32: 4 KiB for a token, three packets of Ethernet. */
const FLOAT32_WIDTH_MAX = 1024;

/** Bytes that a value of a model of this width takes on its way. */
export function valueBytesOf(embeddingWidth: number): number {
  return embeddingWidth <= FLOAT32_WIDTH_MAX ? 4 : 2;
}

export function wireFormatOf(embeddingWidth: number): WireFormat {
  return valueBytesOf(embeddingWidth) === 4 ? float32Format() : bfloat16Format();
}

export function bfloat16Format(): WireFormat {
  const scratch = bf16Scratch();
  return {
    valueBytes: 2,
    encode: (values, from, count, { halves }) => encodeBf16(values, from, count, halves),
    set: ({ halves }, count, sums, at) => setBf16(halves, count, sums, at),
    add: ({ halves }, count, sums, at) => addBf16(halves, count, sums, at, scratch),
  };
}

export function float32Format(): WireFormat {
  return {
    valueBytes: 4,
    encode: (values, from, count, { floats }) => {
      floats.set(values.subarray(from, from + count));
      return areFinite(floats, count);
    },
    set: ({ floats }, count, sums, at) => {
      sums.floats.set(floats.subarray(0, count), at);
      return areFinite(floats, count);
    },
    add: ({ floats }, count, sums, at) => {
      const target = sums.floats;
      for (let index = 0; index < count; index++) {
        target[at + index] = (target[at + index] as number) + (floats[index] as number);
      }
      return areFinite(floats, count);
    },
  };
}

function areFinite(values: Float32Array, count: number): boolean {
  for (let index = 0; index < count; index++) {
    if (!Number.isFinite(values[index])) return false;
  }
  return true;
}
