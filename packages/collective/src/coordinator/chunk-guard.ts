/**
 * Keeps the garbage collector and the writers of references apart, chunk by chunk, within the
 * coordinator. A chunk is either free, in use by any number of writers, or being deleted.
 *
 * Invariant: while a chunk is in use nobody starts to delete it, and while it is being deleted no
 * writer goes on that names it. See `workers/garbage.ts` for the whole argument.
 */
import type { ChunkId } from "@hearthmesh/core";

export class ChunkGuard {
  readonly #inUse = new Map<ChunkId, number>();
  /** Chunk to the end of its deletion. */
  readonly #deleting = new Map<ChunkId, Promise<void>>();

  /** Waits for deletions of these chunks to end, then runs the work with all of them in use. */
  async use<Result>(ids: readonly ChunkId[], work: () => Promise<Result>): Promise<Result> {
    for (;;) {
      const deletion = ids.map((id) => this.#deleting.get(id)).find((one) => one !== undefined);
      if (deletion === undefined) break;
      await deletion;
    }
    for (const id of ids) this.#inUse.set(id, (this.#inUse.get(id) ?? 0) + 1);
    try {
      return await work();
    } finally {
      for (const id of ids) this.#leave(id);
    }
  }

  /** Runs the work with those of the chunks that are free; the others are left out. */
  async delete<Result>(
    ids: readonly ChunkId[],
    work: (free: readonly ChunkId[]) => Promise<Result>,
  ): Promise<Result> {
    const free = [...new Set(ids)].filter((id) => !this.#inUse.has(id) && !this.#deleting.has(id));
    let ended = () => {};
    const end = new Promise<void>((resolve) => {
      ended = resolve;
    });
    for (const id of free) this.#deleting.set(id, end);
    try {
      return await work(free);
    } finally {
      for (const id of free) this.#deleting.delete(id);
      ended();
    }
  }

  #leave(id: ChunkId): void {
    const count = (this.#inUse.get(id) ?? 1) - 1;
    if (count === 0) this.#inUse.delete(id);
    else this.#inUse.set(id, count);
  }
}
