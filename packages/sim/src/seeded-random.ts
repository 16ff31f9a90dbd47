/**
 * Randomness from a seed. The generator is sfc32 (Chris Doty-Humphrey's "small fast chaotic",
 * PractRand), keyed by SHA-256 of the seed's text. `fork` names a stream of its own: what one part
 * draws never changes what another part gets, so that a new fault does not reshuffle a whole run.
 */
import { createHash } from "node:crypto";
import type { Random } from "@hearthmesh/core";

/**
 * Outputs thrown away after keying, until every bit of the state depends on every bit of the key.
 */
const WARM_UP_ROUNDS = 15;

export interface SeededRandom extends Random {
  /** The text that this stream was made from. */
  readonly seed: string;
  /** A stream that depends on this seed and the name only, not on what was drawn so far. */
  fork(name: string): SeededRandom;
  /** A uniform integer in [min, max]. */
  integer(min: number, max: number): number;
  /** True with this probability. */
  chance(probability: number): boolean;
  /** One of the items; throws when there is none. */
  pick<Item>(items: readonly Item[]): Item;
}

export function seededRandom(seed: string | number): SeededRandom {
  return new SmallFastChaotic(String(seed));
}

class SmallFastChaotic implements SeededRandom {
  readonly seed: string;
  readonly #state: Uint32Array;

  constructor(seed: string) {
    this.seed = seed;
    const key = createHash("sha256").update(seed, "utf8").digest();
    const words = [0, 4, 8].map((position) => key.readUInt32LE(position));
    this.#state = Uint32Array.from([...words, 1]);
    for (let round = 0; round < WARM_UP_ROUNDS; round++) this.#next();
  }

  fork(name: string): SeededRandom {
    return new SmallFastChaotic(`${this.seed}/${name}`);
  }

  float(): number {
    const high = this.#next() >>> 5;
    const low = this.#next() >>> 6;
    return (high * 2 ** 26 + low) / 2 ** 53;
  }

  bytes(length: number): Uint8Array {
    const buffer = Buffer.alloc(Math.ceil(length / 4) * 4);
    for (let position = 0; position < buffer.length; position += 4) {
      buffer.writeUInt32LE(this.#next(), position);
    }
    return new Uint8Array(buffer.buffer, buffer.byteOffset, length);
  }

  integer(min: number, max: number): number {
    return min + Math.floor(this.float() * (max - min + 1));
  }

  chance(probability: number): boolean {
    return this.float() < probability;
  }

  pick<Item>(items: readonly Item[]): Item {
    if (items.length === 0) throw new Error("there is nothing to pick from");
    return items[this.integer(0, items.length - 1)] as Item;
  }

  #next(): number {
    const [a = 0, b = 0, c = 0, counter = 0] = this.#state;
    const output = (a + b + counter) >>> 0;
    this.#state[3] = counter + 1;
    this.#state[0] = b ^ (b >>> 9);
    this.#state[1] = c + (c << 3);
    this.#state[2] = ((c << 21) | (c >>> 11)) + output;
    return output;
  }
}
