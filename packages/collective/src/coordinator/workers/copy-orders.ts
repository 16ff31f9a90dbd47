/**
 * Orders nodes to fetch chunks from each other. One order at a time for each node, a bounded number
 * of chunks in each, and a rest after it as the worker's pace says: a node that is slow holds up
 * only itself.
 */
import { type ChunkId, errorFields, type Logger, limits, type NodeId } from "@hearthmesh/core";
import type { NodeCalls } from "../node-calls.js";
import type { NodeDirectory } from "../node-directory.js";
import type { TicketOffice } from "../ticket-office.js";
import type { Progress } from "./worker.js";

/** What a storage node takes in one order. */
const SOURCES_PER_ORDER_MAX = limits.REPLICAS_MAX;
/** Chunks that wait for one node; more of them make the walk wait. */
const WAITING_CHUNKS_MAX = 4 * limits.REPAIR_BATCH_CHUNKS_MAX;
/** Holders that are named for one chunk; the others would not be needed. */
const SOURCES_PER_CHUNK_MAX = 4;

export interface CopyOrdersOptions {
  readonly nodes: NodeDirectory;
  readonly calls: NodeCalls;
  readonly tickets: TicketOffice;
  readonly log: Logger;
  readonly progress: Progress;
  /** Once for each chunk and target: whether the target has the chunk now. */
  onSettled(id: ChunkId, target: NodeId, copied: boolean): void;
}

/** Chunks that wait for one node, with their holders, and the orders that it is given. */
interface Pending {
  readonly waiting: Wanted[];
  /** Undefined: it has nothing to do. */
  orders: Promise<void> | undefined;
}

interface Wanted {
  readonly id: ChunkId;
  readonly sources: readonly NodeId[];
}

export class CopyOrders {
  readonly #options: CopyOrdersOptions;
  readonly #pending = new Map<NodeId, Pending>();
  #ordered = 0;

  constructor(options: CopyOrdersOptions) {
    this.#options = options;
  }

  /**
   * Resolves when there is room for the next one. A node that is slower than the others has some
   * orders' worth waiting, so that the others are not idle meanwhile.
   */
  async add(id: ChunkId, target: NodeId, sources: Iterable<NodeId>): Promise<void> {
    const pending = this.#pendingOf(target);
    pending.waiting.push({ id, sources: [...sources].slice(0, SOURCES_PER_CHUNK_MAX) });
    if (pending.waiting.length < limits.REPAIR_BATCH_CHUNKS_MAX) return;
    pending.orders ??= this.#work(target, pending);
    if (pending.waiting.length >= WAITING_CHUNKS_MAX) await pending.orders;
  }

  /** Sends what was collected and waits for all answers. */
  async finish(): Promise<void> {
    await Promise.all(
      [...this.#pending].map(async ([target, pending]) => {
        await pending.orders;
        await this.#work(target, pending, 1);
      }),
    );
  }

  #pendingOf(target: NodeId): Pending {
    const known = this.#pending.get(target);
    if (known !== undefined) return known;
    const pending: Pending = { waiting: [], orders: undefined };
    this.#pending.set(target, pending);
    return pending;
  }

  /** One order after the other while there is enough for one. */
  async #work(
    target: NodeId,
    pending: Pending,
    chunksMin = limits.REPAIR_BATCH_CHUNKS_MAX as number,
  ): Promise<void> {
    while (pending.waiting.length >= chunksMin) {
      const { ids, sources } = takeBatch(pending.waiting);
      // Each order begins with another source: else the first of them would serve nearly all.
      const first = this.#ordered++ % sources.length;
      await this.#order(target, ids, [...sources.slice(first), ...sources.slice(0, first)]);
    }
    pending.orders = undefined;
  }

  /** Never rejects: what failed is counted, and found again by the next walk. */
  async #order(target: NodeId, ids: readonly ChunkId[], sources: NodeId[]): Promise<void> {
    const { nodes, calls, tickets, log, progress, onSettled } = this.#options;
    const scope = { holder: target, nodes: sources };
    const { ticket } = tickets.forCopying(scope, ids);
    const known = sources.flatMap((nodeId) => {
      const info = nodes.info(nodeId);
      return info === undefined ? [] : [{ nodeId, addresses: info.addresses }];
    });
    let copied = new Set<ChunkId>();
    let bytes = 0;
    try {
      const answer = await calls.copy(target, { ticket, ids, sources: known });
      copied = new Set(answer.copied);
      bytes = answer.bytes ?? copied.size * limits.CHUNK_BYTES_MAX;
    } catch (error) {
      log.warn("a repair order failed", {
        nodeId: target,
        count: ids.length,
        ...errorFields(error),
      });
    }
    for (const id of ids) {
      const done = copied.has(id);
      if (done) progress.done(1);
      else progress.error(1);
      onSettled(id, target, done);
    }
    progress.bytes(bytes);
    // The next order to this node waits for it; when the worker stops, it waits no longer.
    await progress.pace(bytes).catch(() => undefined);
  }
}

/** As much as one order may have of chunks and of sources; at least one chunk. */
function takeBatch(waiting: Wanted[]): { ids: ChunkId[]; sources: NodeId[] } {
  const ids: ChunkId[] = [];
  const sources = new Set<NodeId>();
  while (ids.length < limits.REPAIR_BATCH_CHUNKS_MAX) {
    const [next] = waiting;
    if (next === undefined) break;
    const together = new Set([...sources, ...next.sources]);
    if (ids.length > 0 && together.size > SOURCES_PER_ORDER_MAX) break;
    for (const source of next.sources) sources.add(source);
    ids.push(next.id);
    waiting.shift();
  }
  return { ids, sources: [...sources] };
}
