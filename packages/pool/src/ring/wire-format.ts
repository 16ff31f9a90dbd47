/**
 * In which numbers partial sums travel. Narrow models send float32 as it is: their messages fit a
 * few packets anyway, and what an answer says then depends on the number of members only by the
 * order of additions. Wide ones send bfloat16, half the bytes, and everybody rounds its own part
 * too. All members have the same model, so they have the same format.
 *
 * Payloads begin at a multiple of four bytes of their buffer.
 */
import { addBf16, bf16Scratch, encodeBf16, setBf16 } from "./bf16.js";

export interface WireFormat {
  readonly valueBytes: number;
  /** Writes `values` from `from` on. False when one of them is not finite as it is sent. */
  encode(values: Float32Array, from: number, payload: Uint8Array): boolean;
  /** Sets `sum` to what came. False when something of it is not finite. */
  set(payload: Uint8Array, sum: Float32Array): boolean;
  /** Adds it instead. */
  add(payload: Uint8Array, sum: Float32Array): boolean;
}

/** Widest model whose sums travel as float32: 4 KiB for a token, three packets of Ethernet. */
const FLOAT32_WIDTH_MAX = 1024;

export function wireFormatOf(embeddingWidth: number): WireFormat {
  return embeddingWidth <= FLOAT32_WIDTH_MAX ? float32Format() : bfloat16Format();
}

export function bfloat16Format(): WireFormat {
  const scratch = bf16Scratch();
  const halves = ({ buffer, byteOffset, length }: Uint8Array) =>
    new Uint16Array(buffer, byteOffset, length / 2);
  return {
    valueBytes: 2,
    encode: (values, from, payload) => encodeBf16(values, from, halves(payload)),
    set: (payload, sum) => setBf16(halves(payload), sum),
    add: (payload, sum) => addBf16(halves(payload), sum, scratch),
  };
}

export function float32Format(): WireFormat {
  const floats = ({ buffer, byteOffset, length }: Uint8Array) =>
    new Float32Array(buffer, byteOffset, length / 4);
  return {
    valueBytes: 4,
    encode: (values, from, payload) => {
      const out = floats(payload);
      out.set(values.subarray(from, from + out.length));
      return areFinite(out);
    },
    set: (payload, sum) => {
      const part = floats(payload);
      sum.set(part);
      return areFinite(part);
    },
    add: (payload, sum) => {
      const part = floats(payload);
      for (let index = 0; index < part.length; index++) {
        sum[index] = (sum[index] as number) + (part[index] as number);
      }
      return areFinite(part);
    },
  };
}

function areFinite(values: Float32Array): boolean {
  for (let index = 0; index < values.length; index++) {
    if (!Number.isFinite(values[index])) return false;
  }
  return true;
}
