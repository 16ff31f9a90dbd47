/**
 * Chunks that nobody refers to, waiting for their deletion. In memory and bounded: after a restart,
 * or when there is no room, the next walk finds them again.
 */
import { type ChunkId, limits } from "@hearthmesh/core";

interface Candidate {
  /** Steady clock: when it was first seen without a reference. */
  readonly seenMs: number;
  /** Not before this. */
  readonly dueMs: number;
}

export class GarbageCandidates {
  readonly #candidates = new Map<ChunkId, Candidate>();

  get size(): number {
    return this.#candidates.size;
  }

  /** A chunk that is known already keeps its earlier time. */
  add(id: ChunkId, seenMs: number, delayMs: number): void {
    const known = this.#candidates.get(id);
    const dueMs = Math.min(seenMs + delayMs, known?.dueMs ?? Number.POSITIVE_INFINITY);
    if (known === undefined && this.#candidates.size >= limits.GARBAGE_CANDIDATES_MAX) return;
    this.#candidates.set(id, { seenMs: known?.seenMs ?? seenMs, dueMs });
  }

  remove(ids: readonly ChunkId[]): void {
    for (const id of ids) this.#candidates.delete(id);
  }

  /**
   * Those whose time has come. A chunk that was first seen after the oldest open upload began may
   * be that upload's, which has not said so yet: it waits until that upload has ended.
   */
  due(nowMs: number, oldestUploadMs: number, count: number): ChunkId[] {
    const ids: ChunkId[] = [];
    for (const [id, { seenMs, dueMs }] of this.#candidates) {
      if (ids.length >= count) break;
      if (dueMs <= nowMs && seenMs < oldestUploadMs) ids.push(id);
    }
    return ids;
  }
}
