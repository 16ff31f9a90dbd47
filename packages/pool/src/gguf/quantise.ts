/**
 * 32-bit floats to Q4_0 and Q8_0, for the writers of small models and for tests. The same numbers
 * as ggml's reference (`quantize_row_q4_0_ref`, `quantize_row_q8_0_ref`), bit for bit.
 */
import { numberToHalf } from "./half.js";
import { rowBytesOf } from "./tensor-types.js";

/** Types that this project writes. */
export type WritableType = "F32" | "F16" | "Q4_0" | "Q8_0";

const BLOCK = 32;

/** `values` is a whole number of blocks. */
export function quantise(type: WritableType, values: Float32Array): Uint8Array {
  const bytes = new Uint8Array(rowBytesOf(type, values.length));
  const view = new DataView(bytes.buffer);
  if (type === "F32") {
    for (const [index, value] of values.entries()) view.setFloat32(index * 4, value, true);
  } else if (type === "F16") {
    for (const [index, value] of values.entries()) {
      view.setUint16(index * 2, numberToHalf(value), true);
    }
  } else {
    if (values.length % BLOCK !== 0) throw new RangeError("no whole number of blocks");
    const write = type === "Q4_0" ? writeQ4 : writeQ8;
    const blockBytes = rowBytesOf(type, BLOCK);
    for (let block = 0; block * BLOCK < values.length; block += 1) {
      write(values.subarray(block * BLOCK, (block + 1) * BLOCK), view, block * blockBytes);
    }
  }
  return bytes;
}

/** The number of the largest magnitude becomes -8, so one sign of it has no rounding error. */
function writeQ4(values: Float32Array, view: DataView, at: number): void {
  let extreme = 0;
  for (const value of values) if (Math.abs(value) > Math.abs(extreme)) extreme = value;
  const scale = Math.fround(extreme / -8);
  const inverse = scale === 0 ? 0 : Math.fround(1 / scale);
  view.setUint16(at, numberToHalf(scale), true);
  const quantum = (value: number) =>
    Math.min(15, Math.trunc(Math.fround(Math.fround(value * inverse) + 8.5)));
  for (let index = 0; index < 16; index += 1) {
    const low = quantum(values[index] ?? 0);
    const high = quantum(values[index + 16] ?? 0);
    view.setUint8(at + 2 + index, low | (high << 4));
  }
}

function writeQ8(values: Float32Array, view: DataView, at: number): void {
  let largest = 0;
  for (const value of values) largest = Math.max(largest, Math.abs(value));
  const scale = Math.fround(largest / 127);
  const inverse = scale === 0 ? 0 : Math.fround(1 / scale);
  view.setUint16(at, numberToHalf(scale), true);
  values.forEach((value, index) => {
    const scaled = Math.fround(value * inverse);
    // Halves away from zero.
    const rounded = Math.sign(scaled) * Math.floor(Math.abs(scaled) + 0.5);
    view.setInt8(at + 2 + index, rounded);
  });
}
