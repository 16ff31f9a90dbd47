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

interface Pending {
  readonly ids: ChunkId[];
  readonly sources: Set<NodeId>;
  order: Promise<void>;
}

export class CopyOrders {
  readonly #options: CopyOrdersOptions;
  readonly #pending = new Map<NodeId, Pending>();

  constructor(options: CopyOrdersOptions) {
    this.#options = options;
  }

  /** Resolves when there is room for the next one. */
  async add(id: ChunkId, target: NodeId, sources: Iterable<NodeId>): Promise<void> {
    const pending = this.#pendingOf(target);
    const some = [...sources].slice(0, SOURCES_PER_CHUNK_MAX);
    const together = new Set([...pending.sources, ...some]).size;
    const isFull = pending.ids.length >= limits.REPAIR_BATCH_CHUNKS_MAX;
    if (isFull || together > SOURCES_PER_ORDER_MAX) {
      await pending.order;
      this.#send(target, pending);
    }
    pending.ids.push(id);
    for (const source of some) pending.sources.add(source);
  }

  /** Sends what was collected and waits for all answers. */
  async finish(): Promise<void> {
    await Promise.all(
      [...this.#pending].map(async ([target, pending]) => {
        await pending.order;
        if (pending.ids.length > 0) this.#send(target, pending);
        await pending.order;
      }),
    );
  }

  #pendingOf(target: NodeId): Pending {
    const known = this.#pending.get(target);
    if (known !== undefined) return known;
    const pending = { ids: [], sources: new Set<NodeId>(), order: Promise.resolve() };
    this.#pending.set(target, pending);
    return pending;
  }

  #send(target: NodeId, pending: Pending): void {
    const ids = pending.ids.splice(0);
    const sources = [...pending.sources];
    pending.sources.clear();
    pending.order = this.#order(target, ids, sources);
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
