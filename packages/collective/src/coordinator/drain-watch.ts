/**
 * How far nodes are with giving away what they keep: nodes that drain, and nodes that the operator
 * took out of the layout. Pure but for what is called when there is more to do.
 *
 * What a node still keeps is known from the walks of repair, which see every chunk and who has it.
 * A node is `drained` when a walk that began after the drain went over its whole list and found no
 * chunk on it that a file refers to. Until the first such walk nothing is known, and said.
 */
import type { ChunkId, NodeId } from "@hearthmesh/core";

/**
 * One walk copies, the next takes away, the third sees it. After so many without a change the next
 * one comes in its time: somebody is away, or has no room.
 */
const WALKS_IN_VAIN_MAX = 3;

/** What a walk tells about each chunk; see `workers/chunk-walk.ts`. */
interface ObservedChunk {
  readonly id: ChunkId;
  readonly referenced: boolean;
  readonly holders: ReadonlySet<NodeId>;
  readonly looked: ReadonlySet<NodeId>;
}

export interface Observation {
  see(chunk: ObservedChunk): void;
  /** The walk went to its end. */
  end(): void;
}

export interface DrainProgress {
  /** Chunks that files refer to and that the node still has. Undefined: not known yet. */
  readonly chunksLeft?: number;
  readonly drained: boolean;
}

export interface DrainWatchOptions {
  /** Connected nodes that should give away everything. */
  leaving(): readonly NodeId[];
  /** A walk has found that there is more to do, and the walks before were not in vain. */
  onLeft(): void;
}

export class DrainWatch {
  readonly #options: DrainWatchOptions;
  readonly #left = new Map<NodeId, number>();
  /** Walks one after the other that found no fewer chunks on the node than the one before. */
  readonly #stuck = new Map<NodeId, number>();
  /** Counts of the walk that is under way; there is one at a time. */
  #open: Map<NodeId, number> | undefined;

  constructor(options: DrainWatchOptions) {
    this.#options = options;
  }

  /** A walk over these nodes begins. */
  observe(online: readonly NodeId[]): Observation {
    const leaving = this.#options.leaving().filter((nodeId) => online.includes(nodeId));
    const counts = new Map<NodeId, number>(leaving.map((nodeId) => [nodeId, 0]));
    let looked: ReadonlySet<NodeId> | undefined;
    this.#open = counts;
    return {
      see: ({ referenced, holders, looked: whole }) => {
        looked = whole;
        if (!referenced) return;
        for (const [nodeId, count] of counts) {
          if (holders.has(nodeId)) counts.set(nodeId, count + 1);
        }
      },
      end: () => {
        this.#open = undefined;
        this.#ended(counts, looked);
      },
    };
  }

  progress(nodeId: NodeId): DrainProgress {
    const chunksLeft = this.#left.get(nodeId);
    if (chunksLeft === undefined) return { drained: false };
    return { chunksLeft, drained: chunksLeft === 0 };
  }

  /** Some node has something left, as far as is known. */
  get isUnfinished(): boolean {
    return [...this.#left.values()].some((left) => left > 0);
  }

  /** What was known of the node, and what walks under way have seen of it, counts no more. */
  forget(nodeId: NodeId): void {
    this.#left.delete(nodeId);
    this.#stuck.delete(nodeId);
    this.#open?.delete(nodeId);
  }

  #ended(counts: ReadonlyMap<NodeId, number>, looked: ReadonlySet<NodeId> | undefined): void {
    const leaving = new Set(this.#options.leaving());
    for (const nodeId of [...this.#left.keys()]) if (!leaving.has(nodeId)) this.forget(nodeId);
    let isMore = false;
    for (const [nodeId, count] of counts) {
      // One that is not leaving any more, or whose list broke off.
      if (!leaving.has(nodeId) || (looked !== undefined && !looked.has(nodeId))) continue;
      const before = this.#left.get(nodeId) ?? Number.POSITIVE_INFINITY;
      const stuck = count < before ? 0 : (this.#stuck.get(nodeId) ?? 0) + 1;
      this.#left.set(nodeId, count);
      this.#stuck.set(nodeId, stuck);
      if (count > 0 && stuck < WALKS_IN_VAIN_MAX) isMore = true;
    }
    if (isMore) this.#options.onLeft();
  }
}
