/**
 * Deletes chunks that nobody refers to. Why no chunk of a file that was acknowledged is lost:
 *
 * 1. A reference row is written in the same transaction as the segment or entry that needs it, and
 *    only for chunks that are in use in the `ChunkGuard`. Here a chunk is deleted only while it is
 *    claimed there, after its reference rows were seen to be none. So at the moment of the deletion
 *    no row names the chunk, and none is being written.
 * 2. A writer that comes later may hold receipts from before the deletion. For `file.put` it
 *    cannot: it stores and links while the chunk is in use. For uploads, the fence rows of
 *    `Condemned` tell which receipts may be old, and those copies are looked at again, behind the
 *    deletion on the same links.
 * 3. A node that did not answer a deletion in time may still carry it out, but not after its link
 *    has closed. Looking again travels on the same link with the same priority, so behind the
 *    deletion.
 *
 * So the grace period is not needed for safety. It keeps readers of replaced files and slow uploads
 * from being disturbed: a chunk that was first seen without a reference after the oldest open
 * upload began waits for the end of that upload.
 */
import { type ChunkId, type Clock, errorFields, type Logger, limits } from "@hearthmesh/core";
import type { Store } from "@hearthmesh/store";
import type { ChunkGuard } from "../chunk-guard.js";
import type { Condemned } from "../condemned.js";
import { keys } from "../keys.js";
import type { NodeCalls } from "../node-calls.js";
import type { NodeDirectory } from "../node-directory.js";
import type { OpenUploads } from "../open-uploads.js";
import { isEmpty } from "../store-helpers.js";
import type { GarbageCandidates } from "./garbage-candidates.js";
import type { GarbageHold } from "./garbage-hold.js";
import type { Sweeper } from "./sweeper.js";
import type { Progress } from "./worker.js";

/** Chunks that are claimed together; writers of these wait until the nodes have answered. */
const BATCH_CHUNKS = 64;

export interface GarbageOptions {
  readonly store: Store;
  readonly nodes: NodeDirectory;
  readonly calls: NodeCalls;
  readonly guard: ChunkGuard;
  readonly condemned: Condemned;
  readonly open: OpenUploads;
  readonly candidates: GarbageCandidates;
  readonly sweeper: Sweeper;
  readonly hold: GarbageHold;
  readonly clock: Clock;
  readonly log: Logger;
  readonly epoch: number;
}

export class Garbage {
  readonly #options: GarbageOptions;

  constructor(options: GarbageOptions) {
    this.#options = options;
  }

  get queue(): number {
    return this.#options.candidates.size + this.#options.sweeper.waiting;
  }

  async run(signal: AbortSignal, progress: Progress): Promise<void> {
    const { sweeper, condemned, open, hold } = this.#options;
    const reasons = hold.reasons();
    if (reasons.length > 0) return progress.at(`held: ${reasons.join("; ")}`);
    await sweeper.run(signal, progress);
    while (await this.#deleteBatch(progress)) {
      signal.throwIfAborted();
      await progress.pace(0);
    }
    await condemned.forget(open.oldestRevision());
  }

  /** False when there is nothing more to do now. */
  async #deleteBatch(progress: Progress): Promise<boolean> {
    const { candidates, open, clock, condemned, nodes, guard, hold } = this.#options;
    if (hold.isHeld) return false;
    if (nodes.onlineStorage().length === 0) return false;
    if (condemned.size + BATCH_CHUNKS > limits.CONDEMNED_CHUNKS_MAX) {
      await condemned.forget(open.oldestRevision());
      if (condemned.size + BATCH_CHUNKS > limits.CONDEMNED_CHUNKS_MAX) return false;
    }
    const ids = candidates.due(clock.monotonicMs(), open.oldestBeganMs(), BATCH_CHUNKS);
    if (ids.length === 0) return false;
    await guard.delete(ids, async (free) => {
      const unreferenced = await this.#unreferenced(free);
      if (unreferenced.length === 0) return;
      await condemned.beginDeletion(unreferenced);
      progress.done(await this.#deleteEverywhere(unreferenced, progress));
      await condemned.endDeletion(unreferenced);
    });
    // Chunks in use are found again by the next walk, if nobody refers to them after all.
    candidates.remove(ids);
    return true;
  }

  async #unreferenced(ids: readonly ChunkId[]): Promise<ChunkId[]> {
    const { store } = this.#options;
    const free = await Promise.all(ids.map((id) => isEmpty(store, keys.referencesOf(id))));
    return ids.filter((_, at) => free[at] === true);
  }

  /** Copies removed. A node that is away or fails keeps its copy until a walk sees it again. */
  async #deleteEverywhere(ids: readonly ChunkId[], progress: Progress): Promise<number> {
    const { nodes, calls, epoch, log } = this.#options;
    const counts = await Promise.all(
      nodes.onlineStorage().map(async (nodeId) => {
        try {
          return await calls.delete(nodeId, { ids, epoch });
        } catch (error) {
          progress.error(ids.length);
          log.warn("garbage could not be deleted", {
            nodeId,
            count: ids.length,
            ...errorFields(error),
          });
          return 0;
        }
      }),
    );
    return counts.reduce((sum, count) => sum + count, 0);
  }
}
