/**
 * xoshiro128** 1.1 of David Blackman and Sebastiano Vigna (2018), seeded by SplitMix64 as they
 * recommend: small, fast, and the same on every machine. For sampling, never for secrets.
 */
export class Xoshiro128 {
  #a: number;
  #b: number;
  #c: number;
  #d: number;

  /** `seed`: any safe integer. */
  constructor(seed: number) {
    const mix = splitMix64(BigInt.asUintN(64, BigInt(seed)));
    const first = mix();
    const second = mix();
    this.#a = Number(first & 0xffff_ffffn) | 0;
    this.#b = Number(first >> 32n) | 0;
    this.#c = Number(second & 0xffff_ffffn) | 0;
    this.#d = Number(second >> 32n) | 0;
  }

  /** Uniform in 0 .. 2^32 - 1. */
  word(): number {
    const scaled = Math.imul(this.#b, 5);
    const result = Math.imul((scaled << 7) | (scaled >>> 25), 9) >>> 0;
    const shifted = this.#b << 9;
    this.#c ^= this.#a;
    this.#d ^= this.#b;
    this.#b ^= this.#c;
    this.#a ^= this.#d;
    this.#c ^= shifted;
    this.#d = (this.#d << 11) | (this.#d >>> 21);
    return result;
  }

  /** Uniform in [0, 1), a multiple of 2^-53. */
  float(): number {
    const high = this.word() >>> 5;
    const low = this.word() >>> 6;
    return (high * 2 ** 26 + low) * 2 ** -53;
  }
}

/** Steele, Lea, Flood: Fast splittable pseudorandom number generators (2014). */
function splitMix64(seed: bigint): () => bigint {
  let state = seed;
  return () => {
    state = BigInt.asUintN(64, state + 0x9e3779b97f4a7c15n);
    let mixed = state;
    mixed = BigInt.asUintN(64, (mixed ^ (mixed >> 30n)) * 0xbf58476d1ce4e5b9n);
    mixed = BigInt.asUintN(64, (mixed ^ (mixed >> 27n)) * 0x94d049bb133111ebn);
    return mixed ^ (mixed >> 31n);
  };
}
