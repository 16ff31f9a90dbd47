/**
 * Rows of all supported tensor types as 32-bit floats: what the reference engine computes with and
 * what the others are held against. Source: the block structures of ggml and their definition; all
 * products are exact in a double, so each number is rounded once, as in ggml.
 */
import type { TensorType } from "../model/model-shape.js";
import { halfToNumber } from "./half.js";
import { rowBytesOf, TENSOR_TYPES } from "./tensor-types.js";

type BlockReader = (bytes: DataView, at: number, out: Float32Array, to: number) => void;

const BLOCK_READERS: Readonly<Record<TensorType, BlockReader>> = {
  F32: (bytes, at, out, to) => {
    out[to] = bytes.getFloat32(at, true);
  },
  F16: (bytes, at, out, to) => {
    out[to] = halfToNumber(bytes.getUint16(at, true));
  },
  BF16: readBfloat,
  Q4_0: readQ4,
  Q8_0: readQ8,
  Q4_K: (bytes, at, out, to) => readQ45K(bytes, at, out, to, false),
  Q5_K: (bytes, at, out, to) => readQ45K(bytes, at, out, to, true),
  Q6_K: readQ6K,
};

/** `bytes` holds whole blocks; `out` has room for all their numbers. */
export function dequantise(type: TensorType, bytes: Uint8Array, out: Float32Array): void {
  const { blockValues, blockBytes } = TENSOR_TYPES[type];
  const blocks = out.length / blockValues;
  if (!Number.isInteger(blocks) || bytes.length !== rowBytesOf(type, out.length)) {
    throw new RangeError(`${bytes.length} bytes of ${type} are not ${out.length} numbers`);
  }
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const read = BLOCK_READERS[type];
  for (let block = 0; block < blocks; block += 1) {
    read(view, block * blockBytes, out, block * blockValues);
  }
}

/** The bits of a bfloat16 are the upper half of those of a 32-bit float. */
function readBfloat(bytes: DataView, at: number, out: Float32Array, to: number): void {
  const bits = bytes.getUint16(at, true);
  const exponent = (bits >> 7) & 255;
  const fraction = bits & 127;
  const sign = bits & 0x8000 ? -1 : 1;
  if (exponent === 255) out[to] = fraction === 0 ? sign * Number.POSITIVE_INFINITY : Number.NaN;
  else if (exponent === 0) out[to] = sign * fraction * 2 ** -133;
  else out[to] = sign * (1 + fraction / 128) * 2 ** (exponent - 127);
}

/** A scale, then 16 bytes: number i in the low half of byte i, number i + 16 in the high one. */
function readQ4(bytes: DataView, at: number, out: Float32Array, to: number): void {
  const scale = halfToNumber(bytes.getUint16(at, true));
  for (let index = 0; index < 16; index += 1) {
    const pair = bytes.getUint8(at + 2 + index);
    out[to + index] = ((pair & 15) - 8) * scale;
    out[to + index + 16] = ((pair >> 4) - 8) * scale;
  }
}

function readQ8(bytes: DataView, at: number, out: Float32Array, to: number): void {
  const scale = halfToNumber(bytes.getUint16(at, true));
  for (let index = 0; index < 32; index += 1) {
    out[to + index] = bytes.getInt8(at + 2 + index) * scale;
  }
}

/**
 * Q4_K and Q5_K: eight groups of 32 with a 6-bit scale and a 6-bit minimum each. Groups 2i and
 * 2i + 1 share 32 bytes, low and high half; the fifth bits of group g are bit g of 32 more bytes.
 */
function readQ45K(
  bytes: DataView,
  at: number,
  out: Float32Array,
  to: number,
  hasFifthBit: boolean,
): void {
  const scale = halfToNumber(bytes.getUint16(at, true));
  const minimum = halfToNumber(bytes.getUint16(at + 2, true));
  const packed = at + 4;
  const fifth = packed + 12;
  const halves = hasFifthBit ? fifth + 32 : fifth;
  for (let group = 0; group < 8; group += 1) {
    const low = bytes.getUint8(packed + (group & 3));
    const middle = bytes.getUint8(packed + 4 + (group & 3));
    const high = bytes.getUint8(packed + 8 + (group & 3));
    const groupScale = scale * (group < 4 ? low & 63 : (high & 15) | ((low >> 6) << 4));
    const groupMinimum = minimum * (group < 4 ? middle & 63 : (high >> 4) | ((middle >> 6) << 4));
    const shift = (group & 1) * 4;
    for (let index = 0; index < 32; index += 1) {
      let value = (bytes.getUint8(halves + (group >> 1) * 32 + index) >> shift) & 15;
      if (hasFifthBit) value |= ((bytes.getUint8(fifth + index) >> group) & 1) << 4;
      out[to + group * 32 + index] = groupScale * value - groupMinimum;
    }
  }
}

/**
 * Q6_K: two halves of 128; in each, four runs of 32 take their low four bits from 64 bytes and
 * their high two from 32 bytes. Every 16 numbers have an 8-bit scale.
 */
function readQ6K(bytes: DataView, at: number, out: Float32Array, to: number): void {
  const scale = halfToNumber(bytes.getUint16(at + 208, true));
  for (let index = 0; index < 256; index += 1) {
    const half = index >> 7;
    const run = (index >> 5) & 3;
    const place = index & 31;
    const low = bytes.getUint8(at + half * 64 + (run & 1) * 32 + place) >> ((run >> 1) * 4);
    const high = bytes.getUint8(at + 128 + half * 32 + place) >> (run * 2);
    const value = ((low & 15) | ((high & 3) << 4)) - 32;
    out[to + index] = scale * bytes.getInt8(at + 192 + (index >> 4)) * value;
  }
}
