/**
 * Which chunks were found damaged within the last day: how a disk that goes bad is told from one
 * that lost a bit in a year. In memory: a restart begins anew.
 */
import type { ChunkId } from "@hearthmesh/core";

const DAY_MS = 86_400_000;
/** More than any mark that is set on the number. */
const KEPT_MAX = 1_024;

export class RecentDamage {
  /** Chunk to when it was found, monotonic; in the order of their times. */
  readonly #found = new Map<ChunkId, number>();

  add(id: ChunkId, nowMs: number): void {
    this.#found.delete(id);
    this.#found.set(id, nowMs);
    const [oldest] = this.#found.keys();
    if (this.#found.size > KEPT_MAX && oldest !== undefined) this.#found.delete(oldest);
  }

  /** It could be read after all. */
  forget(id: ChunkId): void {
    this.#found.delete(id);
  }

  count(nowMs: number): number {
    for (const [id, atMs] of this.#found) {
      if (nowMs - atMs < DAY_MS) break;
      this.#found.delete(id);
    }
    return this.#found.size;
  }
}
