/**
 * Buffers of one chunk each that are used again and again while chunks come and go. Fresh ones
 * would be zeroed by the system and collected as garbage a thousand times a second. Without a
 * transfer none is kept. How many are out is bounded by those who take them.
 */
import { limits } from "@hearthmesh/core";
import { RECORD_HEAD_BYTES_MAX } from "./pack-format.js";

/** Free buffers that are kept while a transfer runs. */
const FREE_MAX = 2 * limits.TRANSFER_CHUNKS_IN_FLIGHT_MAX;
/** Below this a chunk is not worth a whole buffer. */
export const BUFFERED_BYTES_MIN = limits.CHUNK_BYTES_MAX / 16;
const BUFFER_BYTES = limits.CHUNK_BYTES_MAX + RECORD_HEAD_BYTES_MAX;

export class ChunkBuffers {
  #free: Uint8Array[] = [];
  #transfers = 0;

  /** A transfer begins; pair it with `close`. */
  open(): void {
    this.#transfers++;
  }

  close(): void {
    this.#transfers--;
    if (this.#transfers === 0) this.#free = [];
  }

  /** Room for the largest chunk with what the disk has in front of it; of any content. */
  take(): Uint8Array {
    return this.#free.pop() ?? Buffer.allocUnsafeSlow(BUFFER_BYTES);
  }

  /** Nobody may use the buffer any more. */
  give(buffer: Uint8Array): void {
    if (this.#transfers > 0 && this.#free.length < FREE_MAX) this.#free.push(buffer);
  }
}
