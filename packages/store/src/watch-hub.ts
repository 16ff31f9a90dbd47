/**
 * Watches, the same for every engine that keeps its history at hand. A watcher is only a place in
 * that history: it holds no queue, so a slow reader costs no memory. When the history it has not
 * read yet is compacted, it is cut with `MESH_STORE_COMPACTED`.
 *
 * A watcher is `behind` when something in its range was written at or after its cursor, else it is
 * level, and the hub moves its cursor along with the store. Invariant: everything in its range
 * before the cursor was yielded, and nothing at or after it.
 */
import { limits, MeshError } from "@hearthmesh/core";
import { boundsOf, contains, type KeyBounds } from "./keys.js";
import type { KeyRange, Store, WatchBatch } from "./types.js";
import { compactedError, validateRange, validateRevision } from "./validate.js";

/** The engine's history. All calls are synchronous and see committed state only. */
export interface WatchSource {
  revision(): number;
  compactedRevision(): number;
  /** The next few batches from a revision, and the revision to go on from; both in order. */
  readBatches(bounds: KeyBounds, fromRevision: number): WatchPage;
}

export interface WatchPage {
  /** Only events in the bounds; a batch without any is left out. */
  readonly batches: readonly WatchBatch[];
  /** First revision that was not looked at; greater than `fromRevision` unless that is new. */
  readonly nextRevision: number;
}

interface Watcher {
  readonly bounds: KeyBounds;
  cursor: number;
  behind: boolean;
  wake: (() => void) | undefined;
}

export class WatchHub {
  readonly #source: WatchSource;
  readonly #watchers = new Set<Watcher>();
  #closed = false;

  constructor(source: WatchSource) {
    this.#source = source;
  }

  /** As `Store.watch`. The start is fixed now; the watcher exists from the first `next()`. */
  watch(range: KeyRange, options: Parameters<Store["watch"]>[1] = {}): AsyncIterable<WatchBatch> {
    validateRange(range);
    const fromRevision = options.fromRevision ?? this.#source.revision() + 1;
    validateRevision("fromRevision", fromRevision);
    const bounds = boundsOf(range);
    return {
      [Symbol.asyncIterator]: () => this.#iterate(bounds, fromRevision, options.signal),
    };
  }

  /** Told after each commit: the keys that were written and the revision that wrote them. */
  changed(revision: number, keys: readonly string[]): void {
    for (const watcher of this.#watchers) {
      if (watcher.behind || revision < watcher.cursor) continue;
      if (keys.some((key) => contains(watcher.bounds, key))) {
        watcher.behind = true;
        watcher.wake?.();
      } else {
        watcher.cursor = revision + 1;
      }
    }
  }

  /** Watchers that are still reading fail with `MESH_STORE_CLOSED`. */
  close(): void {
    this.#closed = true;
    for (const watcher of this.#watchers) watcher.wake?.();
  }

  async *#iterate(
    bounds: KeyBounds,
    fromRevision: number,
    signal: AbortSignal | undefined,
  ): AsyncGenerator<WatchBatch, void, void> {
    const watcher = this.#register(bounds, fromRevision);
    const onAbort = () => watcher.wake?.();
    signal?.addEventListener("abort", onAbort);
    try {
      while (!isAborted(signal)) {
        if (this.#closed) throw new MeshError("MESH_STORE_CLOSED");
        if (!watcher.behind) {
          await new Promise<void>((resolve) => {
            watcher.wake = resolve;
          });
          watcher.wake = undefined;
          continue;
        }
        for (const batch of this.#nextPage(watcher)) {
          yield batch;
          if (isAborted(signal)) return;
        }
      }
    } finally {
      signal?.removeEventListener("abort", onAbort);
      this.#watchers.delete(watcher);
    }
  }

  #register(bounds: KeyBounds, fromRevision: number): Watcher {
    if (this.#watchers.size >= limits.STORE_WATCHERS_MAX) {
      throw new MeshError("MESH_LIMIT", {
        message: `the store has ${limits.STORE_WATCHERS_MAX} watchers already`,
      });
    }
    const behind = fromRevision <= this.#source.revision();
    const watcher: Watcher = { bounds, cursor: fromRevision, behind, wake: undefined };
    this.#watchers.add(watcher);
    return watcher;
  }

  #nextPage(watcher: Watcher): readonly WatchBatch[] {
    const compacted = this.#source.compactedRevision();
    if (watcher.cursor <= compacted) throw compactedError(watcher.cursor, compacted);
    const page = this.#source.readBatches(watcher.bounds, watcher.cursor);
    watcher.cursor = page.nextRevision;
    watcher.behind = watcher.cursor <= this.#source.revision();
    return page.batches;
  }
}

/** A call, because the compiler would take an earlier answer to hold for good. */
function isAborted(signal: AbortSignal | undefined): boolean {
  return signal?.aborted === true;
}
