/**
 * Partial sums travel as bfloat16: the upper half of a float32, rounded to nearest, ties to even.
 * Everybody adds the rounded parts of all members, its own too, in the order of the ring, so the
 * result is the same bits everywhere.
 */

/** Exponent bits of a bfloat16: all set in NaN and the infinities. */
const EXPONENT = 0x7f80;

/**
 * Rounds `values[from .. from + out.length)` into `out`. False when one of them is not finite or
 * becomes infinite by rounding.
 */
export function encodeBf16(values: Float32Array, from: number, out: Uint16Array): boolean {
  const bits = new Uint32Array(values.buffer, values.byteOffset + 4 * from, out.length);
  let areFinite = true;
  for (let index = 0; index < out.length; index++) {
    const word = bits[index] as number;
    const rounded = (word + 0x7fff + ((word >>> 16) & 1)) >>> 16;
    out[index] = rounded;
    // A NaN whose fraction overflows would wrap to zero: the word itself tells.
    if ((word & 0x7f800000) === 0x7f800000 || (rounded & EXPONENT) === EXPONENT) areFinite = false;
  }
  return areFinite;
}

/** Adds `parts` to `sum`, element by element. False when one of the parts is not finite. */
export function addBf16(parts: Uint16Array, sum: Float32Array, scratch: Bf16Scratch): boolean {
  const { words, floats } = scratch;
  let areFinite = true;
  for (let index = 0; index < parts.length; index++) {
    const half = parts[index] as number;
    if ((half & EXPONENT) === EXPONENT) areFinite = false;
    words[0] = half << 16;
    sum[index] = (sum[index] as number) + (floats[0] as number);
  }
  return areFinite;
}

/** The same, but `sum` is set. */
export function setBf16(parts: Uint16Array, sum: Float32Array): boolean {
  const words = new Uint32Array(sum.buffer, sum.byteOffset, parts.length);
  let areFinite = true;
  for (let index = 0; index < parts.length; index++) {
    const half = parts[index] as number;
    if ((half & EXPONENT) === EXPONENT) areFinite = false;
    words[index] = half << 16;
  }
  return areFinite;
}

/** One word of memory seen as bits and as a float. */
export interface Bf16Scratch {
  readonly words: Uint32Array;
  readonly floats: Float32Array;
}

export function bf16Scratch(): Bf16Scratch {
  const words = new Uint32Array(1);
  return { words, floats: new Float32Array(words.buffer) };
}
