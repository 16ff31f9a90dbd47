/** BLAKE3 (O'Connor et al., 2020) as the name of a chunk. */
import type { ChunkId } from "@hearthmesh/core";
import { Blake3Hasher, blake3 } from "@napi-rs/blake-hash";

/** The id of the chunk whose bytes are the pieces one after the other. About 8 GB/s. */
export function chunkIdOf(pieces: readonly Uint8Array[]): ChunkId {
  const only = pieces[0];
  // Making a hasher costs more than hashing a small chunk, so one piece goes the direct way.
  if (pieces.length === 1 && only !== undefined) {
    return blake3(viewOf(only)).toString("hex") as ChunkId;
  }
  const hasher = new Blake3Hasher();
  for (const piece of pieces) hasher.update(viewOf(piece));
  return hasher.digest("hex") as ChunkId;
}

/** The same bytes, without a copy, as the class that the library takes. */
function viewOf(bytes: Uint8Array): Buffer {
  return Buffer.isBuffer(bytes)
    ? bytes
    : Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}
