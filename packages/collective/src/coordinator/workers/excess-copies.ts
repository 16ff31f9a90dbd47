/**
 * Has copies removed from nodes that should not keep them. What the walk saw may be old by now, so
 * right before a removal, and with the chunks kept from writers, every node that should keep a
 * chunk is asked whether it has it.
 */
import { type ChunkId, errorFields, type Logger, type NodeId } from "@hearthmesh/core";
import type { ChunkGuard } from "../chunk-guard.js";
import type { NodeCalls } from "../node-calls.js";
import type { Progress } from "./worker.js";

/** All of them are asked for at once: a node takes 128 requests at a time. */
const BATCH_CHUNKS = 32;

export interface ExcessCopiesOptions {
  readonly calls: NodeCalls;
  readonly guard: ChunkGuard;
  readonly log: Logger;
  readonly epoch: number;
  readonly progress: Progress;
  /** Asked before each batch: whether the layout is still the one of the walk. */
  stillValid(): boolean;
}

/** Chunks that one node has too much, with the nodes that should keep each. */
type Batch = Map<ChunkId, readonly NodeId[]>;

export class ExcessCopies {
  readonly #options: ExcessCopiesOptions;
  readonly #batches = new Map<NodeId, Batch>();

  constructor(options: ExcessCopiesOptions) {
    this.#options = options;
  }

  async add(id: ChunkId, nodeId: NodeId, keepers: readonly NodeId[]): Promise<void> {
    const batch: Batch = this.#batches.get(nodeId) ?? new Map();
    this.#batches.set(nodeId, batch);
    batch.set(id, keepers);
    if (batch.size >= BATCH_CHUNKS) await this.#remove(nodeId);
  }

  async finish(): Promise<void> {
    for (const nodeId of [...this.#batches.keys()]) await this.#remove(nodeId);
  }

  async #remove(nodeId: NodeId): Promise<void> {
    const batch: Batch = this.#batches.get(nodeId) ?? new Map();
    this.#batches.delete(nodeId);
    const { calls, guard, log, epoch, progress, stillValid } = this.#options;
    if (!stillValid()) return;
    await guard.delete([...batch.keys()], async (free) => {
      try {
        const ids = await this.#kept(batch, free);
        if (ids.length > 0) progress.done(await calls.delete(nodeId, { ids, epoch }));
      } catch (error) {
        progress.error(free.length);
        log.warn("copies in the wrong place could not be removed", {
          nodeId,
          count: free.length,
          ...errorFields(error),
        });
      }
    });
  }

  /** Those of the chunks that all their keepers have now. */
  async #kept(batch: Batch, ids: readonly ChunkId[]): Promise<ChunkId[]> {
    const { calls } = this.#options;
    const kept = await Promise.all(
      ids.map(async (id) => {
        const keepers = batch.get(id) ?? [];
        const has = await Promise.all(keepers.map((nodeId) => calls.has(nodeId, id)));
        return keepers.length > 0 && has.every(Boolean);
      }),
    );
    return ids.filter((_, at) => kept[at] === true);
  }
}
