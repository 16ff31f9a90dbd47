/** Counts during a walk how many chunks have all their replicas. */
import type { ChunkId, NodeId } from "@hearthmesh/core";

export interface ReplicationState {
  /** Different chunks that files refer to. */
  readonly chunks: number;
  /** On every node that should keep them, as seen by the walk or copied by it. */
  readonly fullyReplicated: number;
  /** The others; also those whose missing copy is on a node that is away. */
  readonly underReplicated: number;
  /** Of these, the ones that no connected node has. */
  readonly unavailable: number;
  /** Of these, the ones that a connected node should have and did not get. */
  readonly failed: number;
  /** When the walk ended. */
  readonly lastWalkMs: number;
  /** Of the layout by which it went. */
  readonly layoutVersion: number;
  /** Nodes of that layout that counted as lost: others took over their chunks. */
  readonly lost: readonly NodeId[];
}

/** What is known of a walk besides what it counts. */
export type WalkFacts = Pick<ReplicationState, "lastWalkMs" | "layoutVersion" | "lost">;

interface OpenChunk {
  orders: number;
  /** Every order must succeed, and they are all that is missing. */
  curable: boolean;
}

export class ReplicationTally {
  /** Chunks with orders that are not answered. */
  readonly #open = new Map<ChunkId, OpenChunk>();
  #chunks = 0;
  #complete = 0;
  #lost = 0;
  #repairable = 0;

  /** Chunks that a connected node should have and did not get. */
  get repairable(): number {
    return this.#repairable;
  }

  complete(): void {
    this.#chunks++;
    this.#complete++;
  }

  incomplete(id: ChunkId, facts: { orders: number; curable: boolean; lost: boolean }): void {
    this.#chunks++;
    if (facts.lost) this.#lost++;
    if (facts.orders > 0) this.#open.set(id, { orders: facts.orders, curable: facts.curable });
  }

  /** One order for the chunk was answered. */
  settled(id: ChunkId, copied: boolean): void {
    const chunk = this.#open.get(id);
    if (chunk === undefined) return;
    if (!copied) {
      this.#repairable++;
      chunk.curable = false;
    }
    chunk.orders--;
    if (chunk.orders > 0) return;
    this.#open.delete(id);
    if (chunk.curable) this.#complete++;
  }

  state(facts: WalkFacts): ReplicationState {
    return {
      chunks: this.#chunks,
      fullyReplicated: this.#complete,
      underReplicated: this.#chunks - this.#complete,
      unavailable: this.#lost,
      failed: this.#repairable,
      ...facts,
    };
  }
}
