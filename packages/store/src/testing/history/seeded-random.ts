/** Chance that comes out the same for the same seed: xorshift128 of Marsaglia (2003). */
import type { Random } from "@hearthmesh/core";

export function seededRandom(seed: number): Random {
  const state = new Uint32Array([seed, seed ^ 0x9e3779b9, 0x243f6a88, 0xb7e15162]);
  const next = (): number => {
    const [a = 0, b = 0, c = 0, d = 0] = state;
    const mixed = a ^ (a << 11);
    state.set([b, c, d, d ^ (d >>> 19) ^ mixed ^ (mixed >>> 8)]);
    return state[3] ?? 0;
  };
  // Seeds that differ in few bits start alike.
  for (let count = 0; count < 64; count++) next();
  return {
    float: () => next() / 2 ** 32,
    bytes: (length) => Uint8Array.from({ length }, () => next() & 0xff),
  };
}
