/**
 * The coordinator's store under simulation: the memory engine, which keeps exactly what a synced
 * database would, with the time that syncs take. A process that dies in mid-write finds out after
 * its restart whether the write had reached the disk.
 */
import { type Clock, sleep } from "@hearthmesh/core";
import {
  type KeyRange,
  type KeyValue,
  type Lease,
  type MemoryHistory,
  memoryStore,
  type RangeOptions,
  type RangeResult,
  type Store,
  type StoreStatus,
  type Transaction,
  type TransactionResult,
  type WatchBatch,
} from "@hearthmesh/store";
import type { SeededRandom } from "./seeded-random.js";

/** A group commit on a solid-state drive. */
const COMMIT_MS = 1.5;

export interface VirtualStoreOptions {
  /** The machine's clock: a disk works on while the process is stopped. */
  clock: Clock;
  /** The process's clock, for leases. */
  processClock: Clock;
  random: SeededRandom;
  history: MemoryHistory;
}

/** A store of one process. After `kill` it never answers again and changes nothing more. */
export class VirtualStore implements Store {
  readonly #options: VirtualStoreOptions;
  readonly #store: Store;
  #isDead = false;

  constructor(options: VirtualStoreOptions) {
    this.#options = options;
    this.#store = memoryStore({ clock: options.processClock, history: options.history });
  }

  kill(): void {
    this.#isDead = true;
  }

  get(key: string, options?: { revision?: number }): Promise<KeyValue | undefined> {
    return this.#alive(this.#store.get(key, options));
  }

  range(range: KeyRange, options?: RangeOptions): Promise<RangeResult> {
    return this.#alive(this.#store.range(range, options));
  }

  async transact(transaction: Transaction): Promise<TransactionResult> {
    const { clock, random } = this.#options;
    const totalMs = COMMIT_MS * (0.5 + random.float());
    const beforeMs = totalMs * random.float();
    await this.#alive(sleep(clock, beforeMs));
    const result = await this.#store.transact(transaction);
    await sleep(clock, totalMs - beforeMs);
    return this.#alive(Promise.resolve(result));
  }

  grantLease(ttlMs: number): Promise<Lease> {
    return this.#alive(this.#store.grantLease(ttlMs));
  }

  findLease(leaseId: number): Promise<Lease | undefined> {
    return this.#alive(this.#store.findLease(leaseId));
  }

  watch(
    range: KeyRange,
    options?: { fromRevision?: number; signal?: AbortSignal },
  ): AsyncIterable<WatchBatch> {
    return this.#store.watch(range, options);
  }

  compact(revision: number): Promise<void> {
    return this.#alive(this.#store.compact(revision));
  }

  status(): Promise<StoreStatus> {
    return this.#alive(this.#store.status());
  }

  async close(): Promise<void> {
    if (!this.#isDead) await this.#store.close();
  }

  /** The answer; the dead never get one. */
  async #alive<Value>(answer: Promise<Value>): Promise<Value> {
    const value = await answer;
    if (this.#isDead) await new Promise<never>(() => undefined);
    return value;
  }
}
