/**
 * Takes away what no path leads to: trees that were removed, contents that were replaced, uploads
 * that were given up. Small transactions, each of which leaves a state from which the next run goes
 * on. Chunks that lose a reference become candidates for deletion.
 *
 * A directory is taken apart from above: the row of a child goes in the same transaction that notes
 * the child as dead. Nothing can be added to a directory whose row is gone, so once it is empty it
 * stays empty.
 */
import { type ChunkId, type Clock, type FileId, limits } from "@hearthmesh/core";
import {
  expectExists,
  type KeyValue,
  type Operation,
  put,
  remove,
  type Store,
} from "@hearthmesh/store";
import { fileOfKey, keys } from "../keys.js";
import { type DeadRecord, decodeDead, decodeEntry, decodeSegment, encodeDead } from "../records.js";
import { batchesOf, pagesOf } from "../store-helpers.js";
import type { Usage } from "../usage.js";
import type { GarbageCandidates } from "./garbage-candidates.js";
import type { Progress } from "./worker.js";

const PAGE_ROWS = 256;
/** Each child needs two operations. */
const CHILDREN_PER_TRANSACTION = limits.STORE_TXN_OPERATIONS_MAX / 2 - 1;

export interface SweeperOptions {
  readonly store: Store;
  readonly clock: Clock;
  readonly usage: Usage;
  readonly candidates: GarbageCandidates;
  /** Readers that opened a file before it was replaced have this long to finish. */
  readonly graceMs: number;
  /** Names this run of the coordinator; see `DeadRecord`. */
  readonly run: string;
}

export class Sweeper {
  readonly #options: SweeperOptions;
  readonly #startedMs: number;
  #waiting = 0;

  constructor(options: SweeperOptions) {
    this.#options = options;
    this.#startedMs = options.clock.monotonicMs();
  }

  /** Rows whose time had not come at the last run. */
  get waiting(): number {
    return this.#waiting;
  }

  async run(signal: AbortSignal, progress: Progress): Promise<void> {
    // Directories leave rows for their children, which may come earlier in the order.
    while (await this.#pass(signal, progress)) signal.throwIfAborted();
  }

  /** True when a directory was taken apart, so that there may be more. */
  async #pass(signal: AbortSignal, progress: Progress): Promise<boolean> {
    let directories = 0;
    let waiting = 0;
    for await (const page of pagesOf(this.#options.store, "d", { limit: PAGE_ROWS, signal })) {
      for (const row of page) {
        const dead = decodeDead(row.value);
        if (!this.#isDue(dead)) {
          waiting++;
          continue;
        }
        signal.throwIfAborted();
        if (dead.kind === "directory") {
          await this.#sweepDirectory(row, dead);
          directories++;
        } else {
          await this.#sweepFile(row, dead);
        }
        progress.done(1);
      }
    }
    this.#waiting = waiting;
    return directories > 0;
  }

  /** A row of an earlier run waits its whole time again, by this run's steady clock. */
  #isDue(dead: DeadRecord): boolean {
    const { run, clock, graceMs } = this.#options;
    const sinceMs = dead.run === run ? dead.atMs : this.#startedMs;
    return clock.monotonicMs() - sinceMs >= graceMs;
  }

  async #sweepDirectory(row: KeyValue, dead: DeadRecord): Promise<void> {
    const { store } = this.#options;
    const directoryId = fileOfKey(row.key);
    for (;;) {
      const limit = CHILDREN_PER_TRANSACTION;
      const page = await store.range(keys.children(directoryId), { limit });
      const last = !page.more;
      const { succeeded } = await store.transact({
        compare: [expectExists(row.key)],
        success: [
          ...page.entries.flatMap((child) => this.#buryChild(child, dead)),
          ...(last ? [remove(row.key)] : []),
        ],
      });
      if (!succeeded) return;
      this.#uncount(page.entries);
      if (last) return;
    }
  }

  #buryChild(child: KeyValue, parent: DeadRecord): Operation[] {
    const record = decodeEntry(child.value);
    const operations = [remove(child.key)];
    if (record.kind === "file" && record.chunkCount === 0) return operations;
    const chunks = record.kind === "file" ? (record.chunks ?? []) : [];
    // It went with its parent, so its time has come too.
    const dead: DeadRecord = { ...parent, kind: record.kind, chunks };
    return [...operations, put(keys.dead(record.fileId), encodeDead(dead))];
  }

  #uncount(children: readonly KeyValue[]): void {
    for (const child of children) {
      const record = decodeEntry(child.value);
      if (record.kind !== "file") continue;
      this.#options.usage.add(-1, -record.sizeBytes, record.owner);
    }
  }

  async #sweepFile(row: KeyValue, dead: DeadRecord): Promise<void> {
    const { store } = this.#options;
    const fileId = fileOfKey(row.key);
    for (;;) {
      const page = await store.range(keys.segments(fileId), { limit: 16 });
      for (const segment of page.entries) await this.#sweepSegment(fileId, segment);
      if (!page.more) break;
    }
    await this.#forgetChunks(fileId, dead.chunks, [
      remove(keys.queued(fileId, 0)),
      remove(row.key),
    ]);
  }

  async #sweepSegment(fileId: FileId, segment: KeyValue): Promise<void> {
    const number = Number.parseInt(segment.key.slice(segment.key.lastIndexOf("/") + 1), 16);
    await this.#forgetChunks(fileId, decodeSegment(segment.value), [
      remove(keys.queued(fileId, number)),
      remove(segment.key),
    ]);
  }

  /** References go first, in batches; what named them goes with the last one. */
  async #forgetChunks(
    fileId: FileId,
    chunks: readonly ChunkId[],
    last: readonly Operation[],
  ): Promise<void> {
    const { store, clock, candidates } = this.#options;
    const unique = [...new Set(chunks)];
    const batches = batchesOf(unique, limits.MANIFEST_SEGMENT_CHUNKS_MAX);
    if (batches.length === 0) batches.push([]);
    for (const [at, ids] of batches.entries()) {
      const references = ids.map((id) => remove(keys.reference(id, fileId)));
      const isLast = at === batches.length - 1;
      await store.transact({ success: [...references, ...(isLast ? last : [])] });
      for (const id of ids) candidates.add(id, clock.monotonicMs(), 0);
    }
  }
}
