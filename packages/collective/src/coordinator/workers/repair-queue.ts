/**
 * Works off the repair queue: chunks that were acknowledged before they had all their copies. Fast,
 * because each row says where the copies are; what the queue does not know, the walk finds.
 */
import type { ChunkId, Logger, NodeId } from "@hearthmesh/core";
import { expectRevision, type KeyValue, put, remove, type Store } from "@hearthmesh/store";
import type { Placement } from "../../storage/placement.js";
import { keys } from "../keys.js";
import type { NodeCalls } from "../node-calls.js";
import type { NodeDirectory } from "../node-directory.js";
import { decodeJson, encodeJson, type QueueRecord } from "../records.js";
import { missingNodes, type StoredChunk } from "../references.js";
import { isEmpty, pagesOf } from "../store-helpers.js";
import type { TicketOffice } from "../ticket-office.js";
import { CopyOrders } from "./copy-orders.js";
import type { Progress } from "./worker.js";

const PAGE_ROWS = 32;

export interface RepairQueueOptions {
  readonly store: Store;
  readonly nodes: NodeDirectory;
  readonly calls: NodeCalls;
  readonly tickets: TicketOffice;
  readonly log: Logger;
  placement(): Placement;
}

interface QueueRow {
  readonly row: KeyValue;
  readonly chunks: StoredChunk[];
}

export class RepairQueue {
  readonly #options: RepairQueueOptions;
  #length = 0;

  constructor(options: RepairQueueOptions) {
    this.#options = options;
  }

  /** Chunks that the last run left, and those that came since. */
  get length(): number {
    return this.#length;
  }

  grew(chunks: number): void {
    this.#length += chunks;
  }

  async run(signal: AbortSignal, progress: Progress): Promise<void> {
    let left = 0;
    for await (const page of pagesOf(this.#options.store, "q", { limit: PAGE_ROWS, signal })) {
      left += await this.#workOn(page, progress);
    }
    this.#length = left;
  }

  /** One page; resolves to how many chunks are left of it. */
  async #workOn(page: readonly KeyValue[], progress: Progress): Promise<number> {
    const rows = page.map((row) => ({ row, chunks: storedChunks(row) }));
    const placement = this.#options.placement();
    const copied = new Map<ChunkId, Set<NodeId>>();
    const gone = new Set<ChunkId>();
    const orders = new CopyOrders({
      ...this.#options,
      progress,
      onSettled: (id, target, done) => {
        if (done) copied.set(id, (copied.get(id) ?? new Set()).add(target));
      },
    });
    const online = new Set(this.#options.nodes.onlineStorage());
    for (const { chunks } of rows) {
      for (const chunk of chunks) {
        if (!(await this.#orderFor(orders, placement, chunk, online))) gone.add(chunk.id);
      }
    }
    await orders.finish();
    let left = 0;
    for (const row of rows) left += await this.#settle(row, placement, copied, gone);
    return left;
  }

  /** False when nobody refers to the chunk any more: then nothing is copied. */
  async #orderFor(
    orders: CopyOrders,
    placement: Placement,
    chunk: StoredChunk,
    online: ReadonlySet<NodeId>,
  ): Promise<boolean> {
    const sources = [...chunk.stored].filter((nodeId) => online.has(nodeId));
    const targets = missingNodes(placement, chunk).filter((nodeId) => online.has(nodeId));
    // A long queue for a node that is away costs no look at the references.
    if (sources.length === 0 || targets.length === 0) return true;
    if (await isEmpty(this.#options.store, keys.referencesOf(chunk.id))) return false;
    for (const target of targets) await orders.add(chunk.id, target, sources);
    return true;
  }

  /** Removes or rewrites a row. Resolves to how many of its chunks are left. */
  async #settle(
    { row, chunks }: QueueRow,
    placement: Placement,
    copied: ReadonlyMap<ChunkId, ReadonlySet<NodeId>>,
    gone: ReadonlySet<ChunkId>,
  ): Promise<number> {
    const left = chunks
      .filter(({ id }) => !gone.has(id))
      .map(({ id, stored }) => ({ id, stored: new Set([...stored, ...(copied.get(id) ?? [])]) }))
      .filter((chunk) => missingNodes(placement, chunk).length > 0);
    const changed = left.some((chunk) => copied.has(chunk.id)) || left.length < chunks.length;
    if (!changed) return left.length;
    const record: QueueRecord = {
      v: 1,
      chunks: left.map(({ id, stored }) => ({ id, have: [...stored] })),
    };
    // When the row was written anew in the meantime, the next run looks at it.
    await this.#options.store.transact({
      compare: [expectRevision(row.key, row.modRevision)],
      success: [left.length === 0 ? remove(row.key) : put(row.key, encodeJson(record))],
    });
    return left.length;
  }
}

function storedChunks(row: KeyValue): StoredChunk[] {
  const { chunks } = decodeJson<QueueRecord>(row.value);
  return chunks.map(({ id, have }) => ({ id, stored: new Set(have) }));
}
