/**
 * Which copies the coordinator itself found damaged when it read them, by node: evidence against a
 * node that does not depend on its own word. One row `e/<node id>` for each, so that another leader
 * knows it too. A chunk counts once, for a day.
 */
import { type ChunkId, type Clock, limits, type NodeId } from "@hearthmesh/core";
import { put, type Store } from "@hearthmesh/store";
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
  /** When a person took the node back, and how many it told of itself then. */
  readonly forgiven?: { readonly atMs: number; readonly told: number };
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
    const { forgiven } = this.#records.get(nodeId) ?? {};
    const toldThen = (forgiven?.atMs ?? 0) > this.#sinceMs() ? (forgiven?.told ?? 0) : 0;
    if (found.length === 0 && toldThen === 0) return undefined;
    const wrong = found.filter(({ isWrong }) => isWrong).length;
    return { chunks: found.length, wrong, ...(toldThen === 0 ? {} : { forgiven: toldThen }) };
  }

  async found(nodeId: NodeId, id: ChunkId, isWrong: boolean): Promise<void> {
    const others = this.#recent(nodeId).filter((one) => one.id !== id);
    const one = { id, atMs: this.#options.clock.nowMs(), isWrong };
    const before = this.#records.get(nodeId);
    await this.#keep({
      ...(before ?? { v: 1, nodeId }),
      found: [...others, one].slice(-CHUNKS_PER_NODE_MAX),
    });
  }

  /** A person took the node back: what was found before, also by itself, counts no more. */
  async forgive(nodeId: NodeId, told: number): Promise<void> {
    const forgiven = { atMs: this.#options.clock.nowMs(), told };
    await this.#keep({ v: 1, nodeId, found: [], forgiven });
  }

  async #keep(record: DamageRecord): Promise<void> {
    this.#records.set(record.nodeId, record);
    const row = put(keys.damage(record.nodeId), encodeJson(record));
    await this.#options.store.transact({ success: [row] });
  }

  #recent(nodeId: NodeId): readonly FoundChunk[] {
    const sinceMs = this.#sinceMs();
    return this.#records.get(nodeId)?.found.filter(({ atMs }) => atMs > sinceMs) ?? [];
  }

  #sinceMs(): number {
    return this.#options.clock.nowMs() - DAY_MS;
  }
}
