/** SHA-256 of a stream as a whole and of each of its chunks, in one pass. */
import { createHash } from "node:crypto";
import { MODEL_CHUNK_BYTES } from "./limits.js";

export const HASH_BYTES = 32;

export interface ContentHashes {
  /** Of the whole, hexadecimal. */
  readonly id: string;
  /** Of every chunk, one after the other. */
  readonly chunks: Uint8Array;
  /** Of `chunks`, hexadecimal. */
  readonly digest: string;
  readonly sizeBytes: number;
}

export class ChunkHasher {
  readonly #whole = createHash("sha256");
  readonly #chunks: Uint8Array[] = [];
  #chunk = createHash("sha256");
  #inChunk = 0;
  #sizeBytes = 0;

  update(bytes: Uint8Array): void {
    this.#whole.update(bytes);
    this.#sizeBytes += bytes.length;
    for (let from = 0; from < bytes.length; ) {
      const to = Math.min(bytes.length, from + MODEL_CHUNK_BYTES - this.#inChunk);
      this.#chunk.update(bytes.subarray(from, to));
      this.#inChunk += to - from;
      from = to;
      if (this.#inChunk === MODEL_CHUNK_BYTES) this.#closeChunk();
    }
  }

  /** To be called once. */
  finish(): ContentHashes {
    if (this.#inChunk > 0) this.#closeChunk();
    const chunks = Buffer.concat(this.#chunks);
    const id = this.#whole.digest("hex");
    return { id, chunks, digest: digestOf(chunks), sizeBytes: this.#sizeBytes };
  }

  #closeChunk(): void {
    this.#chunks.push(this.#chunk.digest());
    this.#chunk = createHash("sha256");
    this.#inChunk = 0;
  }
}

export function digestOf(bytes: Uint8Array): string {
  return createHash("sha256").update(bytes).digest("hex");
}

export function chunkCountOf(sizeBytes: number): number {
  return Math.ceil(sizeBytes / MODEL_CHUNK_BYTES);
}

/** Whether these are the bytes of the chunk. `hashes` as in `ContentHashes.chunks`. */
export function isChunk(hashes: Uint8Array, index: number, bytes: Uint8Array): boolean {
  const wanted = hashes.subarray(index * HASH_BYTES, (index + 1) * HASH_BYTES);
  return createHash("sha256").update(bytes).digest().equals(wanted);
}
