/**
 * Partial sums travel as bfloat16: the upper half of a float32, rounded to nearest, ties to even.
 * Everybody adds the rounded parts of all members, its own too, in the order of the ring, so the
 * result is the same bits everywhere.
 */

/** Exponent bits of a bfloat16: all set in NaN and the infinities. */
const EXPONENT = 0x7f80;
/** Values that are widened before they are added: they stay in the fastest cache. */
const WIDENED = 4096;

/** Numbers, and the same memory as bits. */
export interface Sums {
  readonly floats: Float32Array;
  readonly bits: Uint32Array;
}

export function sumsOf(length: number): Sums {
  const floats = new Float32Array(length);
  return { floats, bits: new Uint32Array(floats.buffer) };
}

/**
 * Rounds `values[from .. from + count)` into the front of `out`. False when one of them is not
 * finite or becomes infinite by rounding.
 */
export function encodeBf16(
  values: Float32Array,
  from: number,
  count: number,
  out: Uint16Array,
): boolean {
  const bits = new Uint32Array(values.buffer, values.byteOffset + 4 * from, count);
  let areFinite = true;
  for (let index = 0; index < count; index++) {
    const word = bits[index] as number;
    const rounded = (word + 0x7fff + ((word >>> 16) & 1)) >>> 16;
    out[index] = rounded;
    // A NaN whose fraction overflows would wrap to zero: the word itself tells.
    if ((word & 0x7f800000) === 0x7f800000 || (rounded & EXPONENT) === EXPONENT) areFinite = false;
  }
  return areFinite;
}

/** Sets `sums` from `at` on to the first `count` parts. False when one of them is not finite. */
export function setBf16(parts: Uint16Array, count: number, sums: Sums, at: number): boolean {
  return widen(parts, 0, count, sums.bits, at);
}

/** Adds them instead. `scratch` has room for `WIDENED` values: see `bf16Scratch`. */
export function addBf16(
  parts: Uint16Array,
  count: number,
  sums: Sums,
  at: number,
  scratch: Sums,
): boolean {
  const { floats } = sums;
  const { floats: widened, bits } = scratch;
  let areFinite = true;
  for (let from = 0; from < count; from += WIDENED) {
    const length = Math.min(WIDENED, count - from);
    if (!widen(parts, from, length, bits, 0)) areFinite = false;
    // In a loop of its own: to read a number that was written as bits just now is slow.
    const target = at + from;
    for (let index = 0; index < length; index++) {
      floats[target + index] = (floats[target + index] as number) + (widened[index] as number);
    }
  }
  return areFinite;
}

export function bf16Scratch(): Sums {
  return sumsOf(WIDENED);
}

function widen(
  parts: Uint16Array,
  from: number,
  count: number,
  bits: Uint32Array,
  at: number,
): boolean {
  let areFinite = true;
  for (let index = 0; index < count; index++) {
    const half = parts[from + index] as number;
    if ((half & EXPONENT) === EXPONENT) areFinite = false;
    bits[at + index] = half << 16;
  }
  return areFinite;
}
