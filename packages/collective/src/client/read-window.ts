/** Bounds how far a reading may run ahead of whoever consumes it. */
import { Bell } from "./bell.js";

export class ReadWindow {
  readonly #chunks: number;
  readonly #moved = new Bell();
  readonly #signal: AbortSignal;
  #next: number;

  /** Chunks with an index below `next + chunks` may be in memory. */
  constructor(next: number, chunks: number, signal: AbortSignal) {
    this.#next = next;
    this.#chunks = chunks;
    this.#signal = signal;
    signal.addEventListener("abort", () => this.#moved.ring(), { once: true });
  }

  /** Everything below `next` was handed over. */
  advance(next: number): void {
    this.#next = next;
    this.#moved.ring();
  }

  /** Resolves when the chunk may be fetched; throws when the reading has ended. */
  async admit(index: number): Promise<void> {
    for (;;) {
      this.#signal.throwIfAborted();
      if (index < this.#next + this.#chunks) return;
      await this.#moved.wait();
    }
  }
}
