/**
 * Which copies the coordinator itself found damaged when it read them, by node: evidence against a
 * node that does not depend on its own word. One row `e/<node id>` for each, so that another leader
 * knows it too. A chunk counts once, for a day.
 */
import { type ChunkId, type Clock, limits, type NodeId } from "@hearthmesh/core";
import { put, remove, type Store } from "@hearthmesh/store";
import type { DamageSeen } from "../types.js";
import { keys } from "./keys.js";
import { decodeJson, encodeJson } from "./records.js";

const DAY_MS = 86_400_000;
/** Of one node, the newest. More than any mark that is set on the number. */
const CHUNKS_PER_NODE_MAX = 64;

interface FoundChunk {
  readonly id: ChunkId;
  /** Of the coordinator's wall clock, by which it is forgotten. */
  readonly atMs: number;
  /** The node gave it as if it were whole. */
  readonly isWrong: boolean;
}

interface DamageRecord {
  readonly v: 1;
  readonly nodeId: NodeId;
  /** The newest last. */
  readonly found: readonly FoundChunk[];
}

export interface DamageBookOptions {
  readonly store: Store;
  readonly clock: Clock;
}

export class DamageBook {
  readonly #options: DamageBookOptions;
  readonly #records = new Map<NodeId, DamageRecord>();

  constructor(options: DamageBookOptions) {
    this.#options = options;
  }

  async load(): Promise<void> {
    const rows = await this.#options.store.range(keys.damages, { limit: limits.NODES_MAX });
    for (const row of rows.entries) {
      const record = decodeJson<DamageRecord>(row.value);
      this.#records.set(record.nodeId, record);
    }
  }

  /** Undefined when nothing was found within the last day. */
  seen(nodeId: NodeId): DamageSeen | undefined {
    const found = this.#recent(nodeId);
    if (found.length === 0) return undefined;
    return { chunks: found.length, wrong: found.filter(({ isWrong }) => isWrong).length };
  }

  async found(nodeId: NodeId, id: ChunkId, isWrong: boolean): Promise<void> {
    const others = this.#recent(nodeId).filter((one) => one.id !== id);
    const one = { id, atMs: this.#options.clock.nowMs(), isWrong };
    const record = { v: 1, nodeId, found: [...others, one].slice(-CHUNKS_PER_NODE_MAX) } as const;
    this.#records.set(nodeId, record);
    const row = put(keys.damage(nodeId), encodeJson(record));
    await this.#options.store.transact({ success: [row] });
  }

  /** A person has decided about the node: what was found before counts no more. */
  async forgive(nodeId: NodeId): Promise<void> {
    if (!this.#records.delete(nodeId)) return;
    await this.#options.store.transact({ success: [remove(keys.damage(nodeId))] });
  }

  #recent(nodeId: NodeId): readonly FoundChunk[] {
    const sinceMs = this.#options.clock.nowMs() - DAY_MS;
    return this.#records.get(nodeId)?.found.filter(({ atMs }) => atMs > sinceMs) ?? [];
  }
}
