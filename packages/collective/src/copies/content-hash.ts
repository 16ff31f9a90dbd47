/**
 * The hash of a whole content: SHA-256 over the ids (32 bytes each) of its 1 MiB chunks in order.
 * The home that writes a copy knows it from the file's manifest, without reading the file; whoever
 * reads a copy computes it on the way.
 */
import { createHash } from "node:crypto";
import { type ChunkId, limits } from "@hearthmesh/core";
import { chunkIdOf } from "../storage/blake3.js";

const CHUNK_BYTES = limits.CHUNK_BYTES_MAX;

/** From the ids of the chunks. An empty content has none; an inline one has the id of it all. */
export class ChunkIdHash {
  readonly #hash = createHash("sha256");
  #count = 0;

  get count(): number {
    return this.#count;
  }

  add(ids: Iterable<ChunkId>): void {
    for (const id of ids) {
      this.#hash.update(id, "hex");
      this.#count++;
    }
  }

  digest(): string {
    return this.#hash.digest("hex");
  }
}

/** From the bytes as they come, cut anywhere. Holds one chunk at a time. */
export class ContentHash {
  readonly #hash = createHash("sha256");
  #pieces: Uint8Array[] = [];
  #bytes = 0;

  add(bytes: Uint8Array): void {
    let rest = bytes;
    while (rest.length > 0) {
      const part = rest.subarray(0, CHUNK_BYTES - this.#bytes);
      this.#pieces.push(part);
      this.#bytes += part.length;
      rest = rest.subarray(part.length);
      if (this.#bytes === CHUNK_BYTES) this.#endChunk();
    }
  }

  digest(): string {
    if (this.#bytes > 0) this.#endChunk();
    return this.#hash.digest("hex");
  }

  #endChunk(): void {
    this.#hash.update(chunkIdOf(this.#pieces), "hex");
    this.#pieces = [];
    this.#bytes = 0;
  }
}
