/**
 * Buffers of one chunk each that are used again and again while chunks arrive. Fresh ones would be
 * zeroed by the system and collected as garbage a thousand times a second. When nobody sends, none
 * is kept. How many are out is bounded by the budgets of those who take them.
 */
import { limits } from "@hearthmesh/core";

/** Free buffers that are kept while a transfer runs. */
const FREE_MAX = 2 * limits.TRANSFER_CHUNKS_IN_FLIGHT_MAX;

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

  /** `CHUNK_BYTES_MAX` bytes of any content. */
  take(): Uint8Array {
    return this.#free.pop() ?? Buffer.allocUnsafeSlow(limits.CHUNK_BYTES_MAX);
  }

  /** Nobody may use the buffer any more. */
  give(buffer: Uint8Array): void {
    if (this.#transfers > 0 && this.#free.length < FREE_MAX) this.#free.push(buffer);
  }
}
