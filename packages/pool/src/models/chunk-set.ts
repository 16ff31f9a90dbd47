/** Which chunks of a file are there: one bit each. Pure. */

import { MODEL_CHUNK_BYTES } from "./limits.js";
import type { ByteRange } from "./model-library.js";

export class ChunkSet {
  readonly length: number;
  readonly #bits: Uint8Array;

  constructor(length: number, bits = new Uint8Array(Math.ceil(length / 8))) {
    this.length = length;
    this.#bits = bits;
  }

  /** Undefined when the text is not a set of this length. */
  static parse(text: string, length: number): ChunkSet | undefined {
    const bits = Buffer.from(text, "base64");
    if (bits.length !== Math.ceil(length / 8)) return undefined;
    return new ChunkSet(length, Uint8Array.from(bits));
  }

  toText(): string {
    return Buffer.from(this.#bits).toString("base64");
  }

  has(index: number): boolean {
    return ((this.#bits[index >> 3] ?? 0) & (1 << (index & 7))) !== 0;
  }

  add(index: number): void {
    if (index < 0 || index >= this.length) throw new RangeError(`no chunk ${index}`);
    this.#bits[index >> 3] = (this.#bits[index >> 3] ?? 0) | (1 << (index & 7));
  }

  delete(index: number): void {
    this.#bits[index >> 3] = (this.#bits[index >> 3] ?? 0) & ~(1 << (index & 7));
  }

  get count(): number {
    let count = 0;
    for (let index = 0; index < this.length; index++) if (this.has(index)) count++;
    return count;
  }
}

/** Indexes of the chunks that the ranges touch, each once, in order. */
export function chunksOf(ranges: readonly ByteRange[], sizeBytes: number): number[] {
  const touched = new Set<number>();
  for (const { from, to } of ranges) {
    const end = Math.min(to, sizeBytes);
    const last = Math.ceil(end / MODEL_CHUNK_BYTES);
    for (let chunk = Math.floor(from / MODEL_CHUNK_BYTES); chunk < last; chunk++) {
      if (from < end) touched.add(chunk);
    }
  }
  return [...touched].sort((a, b) => a - b);
}

/** Neighbours together, at most `most` in each run. */
export function runsOf(
  chunks: readonly number[],
  most: number,
): { first: number; count: number }[] {
  const runs: { first: number; count: number }[] = [];
  for (const chunk of chunks) {
    const last = runs.at(-1);
    if (last !== undefined && last.first + last.count === chunk && last.count < most) last.count++;
    else runs.push({ first: chunk, count: 1 });
  }
  return runs;
}

/** Bytes of a chunk: all but the last one are full. */
export function chunkBytesAt(index: number, sizeBytes: number): number {
  return Math.min(MODEL_CHUNK_BYTES, sizeBytes - index * MODEL_CHUNK_BYTES);
}
