/**
 * Records of the authority in memory, by key, so that a request can be judged without waiting.
 * Filled from the store, updated at once by the changes of this process, and by a watch for those
 * of others. A revision is never overtaken by an older one, so both may say the same thing twice.
 */
import { type Clock, errorFields, type Logger } from "@hearthmesh/core";
import type { Operation, Store } from "@hearthmesh/store";
import { followStore } from "./follow-store.js";
import { readAll } from "./read-all.js";
import { decodeRecord, type Versioned } from "./records.js";

/** Without a record it was deleted at that revision. */
interface Known {
  readonly record: Versioned | undefined;
  readonly revision: number;
}

/** Told of one record after and before a change; undefined where there is or was none. */
export type RecordListener = (
  key: string,
  after: Versioned | undefined,
  before: Versioned | undefined,
) => void;

export interface RecordCacheOptions {
  store: Store;
  clock: Clock;
  log: Logger;
  /** Below `authority/`; for what the keys may hold see `readAll`. */
  prefixes: readonly string[];
}

export class RecordCache {
  readonly #store: Store;
  readonly #clock: Clock;
  readonly #log: Logger;
  readonly #byPrefix: ReadonlyMap<string, Map<string, Known>>;
  readonly #listeners = new Map<string, Set<RecordListener>>();
  readonly #stop = new AbortController();

  private constructor(options: RecordCacheOptions) {
    this.#store = options.store;
    this.#clock = options.clock;
    this.#log = options.log;
    this.#byPrefix = new Map(options.prefixes.map((prefix) => [prefix, new Map()]));
  }

  /** Loads everything, then follows the store until `close`. */
  static async open(options: RecordCacheOptions): Promise<RecordCache> {
    const cache = new RecordCache(options);
    const revision = await cache.#load();
    void cache.#follow(revision + 1);
    return cache;
  }

  close(): void {
    this.#stop.abort();
  }

  get<T extends Versioned>(prefix: string, key: string): T | undefined {
    return this.#byPrefix.get(prefix)?.get(key)?.record as T | undefined;
  }

  all<T extends Versioned>(prefix: string): T[] {
    const known = [...(this.#byPrefix.get(prefix)?.values() ?? [])];
    return known.flatMap(({ record }) => (record === undefined ? [] : [record as T]));
  }

  /**
   * Calls at once, with the cache as it is after the change, for every record of a prefix that is
   * written or deleted, by whichever coordinator. Returns how to stop.
   */
  onChange(prefix: string, listener: RecordListener): () => void {
    const listeners = this.#listeners.get(prefix) ?? new Set();
    this.#listeners.set(prefix, listeners.add(listener));
    return () => listeners.delete(listener);
  }

  /** Takes over what a transaction of this process wrote. */
  applyOperations(operations: readonly Operation[], revision: number): void {
    for (const operation of operations) {
      if (operation.type === "put") {
        const { key, value } = operation;
        const entry = { key, value, createRevision: revision, modRevision: revision };
        this.#set(key, revision, () => decodeRecord({ ...entry, version: 1, leaseId: 0 }));
      } else if (operation.type === "delete") {
        this.#set(operation.key, revision, () => undefined);
      }
    }
  }

  #set(key: string, revision: number, read: () => Versioned | undefined): void {
    for (const [prefix, known] of this.#byPrefix) {
      if (!key.startsWith(prefix)) continue;
      const before = known.get(key);
      if ((before?.revision ?? 0) >= revision) continue;
      const record = read();
      // A deletion of what is not here leaves nothing: the watch has been past it already.
      if (record === undefined && before === undefined) continue;
      known.set(key, { record, revision });
      this.#tell(prefix, key, record, before?.record);
    }
  }

  #tell(prefix: string, ...change: Parameters<RecordListener>): void {
    for (const listener of this.#listeners.get(prefix) ?? []) {
      try {
        listener(...change);
      } catch (error) {
        // One listener that fails must not keep the change from the others.
        this.#log.error("a listener for records failed", errorFields(error));
      }
    }
  }

  /** The watch has come past a deletion: nothing older can follow, and nothing is kept of it. */
  #forget(key: string, revision: number): void {
    for (const [prefix, known] of this.#byPrefix) {
      const before = known.get(key);
      if (before === undefined || before.revision > revision) continue;
      known.delete(key);
      if (before.record !== undefined) this.#tell(prefix, key, undefined, before.record);
    }
  }

  async #load(): Promise<number> {
    let revision = 0;
    for (const [prefix, known] of this.#byPrefix) {
      const read = await readAll(this.#store, prefix);
      const present = new Set(read.entries.map(({ key }) => key));
      for (const [key, { revision: at }] of known) {
        if (!present.has(key) && at <= read.revision) this.#forget(key, at);
      }
      for (const entry of read.entries) {
        this.#set(entry.key, entry.modRevision, () => decodeRecord(entry));
      }
      // The watch starts at the oldest of the reads, and says the rest again.
      revision = revision === 0 ? read.revision : Math.min(revision, read.revision);
    }
    return revision;
  }

  #follow(fromRevision: number): Promise<void> {
    return followStore({
      store: this.#store,
      clock: this.#clock,
      log: this.#log,
      signal: this.#stop.signal,
      fromRevision,
      onEvent: (event) => {
        if (event.type === "delete") this.#forget(event.key, event.modRevision);
        else this.#set(event.entry.key, event.entry.modRevision, () => decodeRecord(event.entry));
      },
      reload: () => this.#load(),
    });
  }
}
