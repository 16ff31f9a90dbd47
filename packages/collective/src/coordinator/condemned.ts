/**
 * Chunks that were deleted as garbage while uploads were open. A receipt that a node gave before
 * the deletion proves nothing after it, and receipts carry no time; but the store numbers
 * everything. A row `x/<chunk>` is written before the deletion and again after it. An upload whose
 * row is older than the last write of that row may hold such a receipt, so its copies of the chunk
 * are looked at again before they count.
 *
 * Rows go when every open upload is younger. A row that says `deleting` after a restart belongs to
 * a deletion that was cut off; it ended with the links of that run, and its time is now.
 */
import { type ChunkId, limits } from "@hearthmesh/core";
import { put, remove, type Store } from "@hearthmesh/store";
import { chunkOfCondemned, keys } from "./keys.js";
import { batchesOf, pagesOf } from "./store-helpers.js";

const VERSION = 1;
const DELETING = Buffer.from([VERSION, 0]);
const DELETED = Buffer.from([VERSION, 1]);
const PAGE_ROWS = 1000;

export class Condemned {
  readonly #store: Store;
  /** Revision after the deletion; infinite while it is under way. */
  readonly #revisions = new Map<ChunkId, number>();

  constructor(store: Store) {
    this.#store = store;
  }

  get size(): number {
    return this.#revisions.size;
  }

  async load(): Promise<void> {
    const found: ChunkId[] = [];
    const options = { limit: PAGE_ROWS, keysOnly: true };
    for await (const page of pagesOf(this.#store, "x", options)) {
      found.push(...page.map((row) => chunkOfCondemned(row.key)));
    }
    await this.#mark(found, DELETED);
  }

  beginDeletion(ids: readonly ChunkId[]): Promise<void> {
    for (const id of ids) this.#revisions.set(id, Number.POSITIVE_INFINITY);
    return this.#mark(ids, DELETING);
  }

  endDeletion(ids: readonly ChunkId[]): Promise<void> {
    return this.#mark(ids, DELETED);
  }

  /** Those of the chunks whose receipts may be older than their deletion. */
  staleFor(ids: readonly ChunkId[], uploadRevision: number): ChunkId[] {
    if (this.#revisions.size === 0) return [];
    return ids.filter((id) => (this.#revisions.get(id) ?? 0) > uploadRevision);
  }

  /** Forgets deletions that ended before the oldest open upload began. */
  async forget(oldestUploadRevision: number): Promise<void> {
    const old = [...this.#revisions]
      .filter(([, revision]) => revision < oldestUploadRevision && Number.isFinite(revision))
      .map(([id]) => id);
    for (const ids of batchesOf(old, limits.STORE_TXN_OPERATIONS_MAX)) {
      await this.#store.transact({ success: ids.map((id) => remove(keys.condemned(id))) });
      for (const id of ids) this.#revisions.delete(id);
    }
  }

  async #mark(all: readonly ChunkId[], value: Uint8Array): Promise<void> {
    for (const ids of batchesOf(all, limits.STORE_TXN_OPERATIONS_MAX)) {
      const result = await this.#store.transact({
        success: ids.map((id) => put(keys.condemned(id), value)),
      });
      if (value === DELETING) continue;
      for (const id of ids) this.#revisions.set(id, result.revision);
    }
  }
}
