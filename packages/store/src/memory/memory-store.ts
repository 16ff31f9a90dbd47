/**
 * The reference engine: simple, deterministic, without any timer or disk of its own. It is the
 * model that the others are tested against, and what the simulator runs on. Promises resolve by
 * microtasks.
 */
import { type Clock, limits, MeshError } from "@hearthmesh/core";
import { boundsOf, contains, type KeyBounds } from "../keys.js";
import { LeaseBook } from "../lease-book.js";
import type {
  KeyRange,
  KeyValue,
  Lease,
  RangeOptions,
  RangeResult,
  Store,
  StoreEvent,
  StoreStatus,
  Transaction,
  TransactionResult,
  WatchBatch,
} from "../types.js";
import {
  refuseTooManyLeases,
  validateKey,
  validateLeaseId,
  validateLeaseTtl,
  validateRange,
  validateRangeOptions,
  validateReadable,
  validateTransaction,
} from "../validate.js";
import { WatchHub, type WatchPage } from "../watch-hub.js";
import { MemoryHistory } from "./history.js";
import { keysOfLease, MemoryTransaction } from "./transaction.js";

/** Batches that a watcher takes at a time. */
const WATCH_PAGE_BATCHES = 256;

export interface MemoryStoreOptions {
  readonly clock: Clock;
  /** What an earlier store left, as a disk would; a new one by default. */
  readonly history?: MemoryHistory;
  /** Revisions kept before the older half is compacted by itself. */
  readonly historyRevisionsMax?: number;
}

/** A `Store` that lets a test look inside. */
export interface MemoryStore extends Store {
  /** Give it to another `memoryStore` after `close()`, to open the same data again. */
  readonly history: MemoryHistory;
}

export function memoryStore(options: MemoryStoreOptions): MemoryStore {
  return new MemoryEngine(options);
}

class MemoryEngine implements MemoryStore {
  readonly history: MemoryHistory;
  readonly #historyRevisionsMax: number;
  readonly #leases: LeaseBook;
  readonly #hub: WatchHub;
  #closed = false;

  constructor(options: MemoryStoreOptions) {
    this.history = options.history ?? new MemoryHistory();
    this.#historyRevisionsMax = options.historyRevisionsMax ?? limits.STORE_HISTORY_REVISIONS_MAX;
    this.#leases = new LeaseBook({
      clock: options.clock,
      onDue: (leaseIds) => {
        for (const leaseId of leaseIds) this.#endLease(leaseId);
      },
    });
    for (const [leaseId, ttlMs] of this.history.leases) this.#leases.add(leaseId, ttlMs);
    this.#hub = new WatchHub({
      revision: () => this.history.revision,
      compactedRevision: () => this.history.compactedRevision,
      readBatches: (bounds, fromRevision) => this.#readBatches(bounds, fromRevision),
    });
  }

  async get(key: string, options: { revision?: number } = {}): Promise<KeyValue | undefined> {
    this.#mustBeOpen();
    validateKey(key);
    const entry = this.history.entryAt(key, this.#readableRevision(options.revision));
    return entry === undefined ? undefined : copyEntry(entry);
  }

  async range(range: KeyRange, options: RangeOptions = {}): Promise<RangeResult> {
    this.#mustBeOpen();
    validateRange(range);
    const limit = validateRangeOptions(options);
    const revision = this.#readableRevision(options.revision);
    const all = this.history.entriesAt(boundsOf(range), revision);
    if (options.reverse === true) all.reverse();
    const entries = firstPage(all, limit, options.keysOnly === true);
    return { entries, more: entries.length < all.length, revision };
  }

  async transact(transaction: Transaction): Promise<TransactionResult> {
    this.#mustBeOpen();
    validateTransaction(transaction);
    const before = this.history.revision;
    const result = new MemoryTransaction(this.history).run(transaction, (leaseId) =>
      this.#leases.mustBeAlive(leaseId),
    );
    this.#afterWrite(before);
    const results = result.results.map((item) =>
      item.type === "get" && item.entry !== undefined
        ? { ...item, entry: copyEntry(item.entry) }
        : item,
    );
    return { ...result, results };
  }

  async grantLease(ttlMs: number): Promise<Lease> {
    this.#mustBeOpen();
    validateLeaseTtl(ttlMs);
    refuseTooManyLeases(this.history.leases.size);
    const id = ++this.history.lastLeaseId;
    this.history.leases.set(id, ttlMs);
    this.#leases.add(id, ttlMs);
    return this.#leaseHandle(id, ttlMs);
  }

  async findLease(leaseId: number): Promise<Lease | undefined> {
    this.#mustBeOpen();
    validateLeaseId(leaseId);
    const ttlMs = this.#leases.ttlMs(leaseId);
    return ttlMs === undefined ? undefined : this.#leaseHandle(leaseId, ttlMs);
  }

  #leaseHandle(id: number, ttlMs: number): Lease {
    return {
      id,
      ttlMs,
      keepAlive: async () => {
        this.#mustBeOpen();
        this.#leases.keepAlive(id);
      },
      revoke: async () => {
        this.#mustBeOpen();
        this.#endLease(id);
      },
    };
  }

  watch(
    range: KeyRange,
    options?: { fromRevision?: number; signal?: AbortSignal },
  ): AsyncIterable<WatchBatch> {
    this.#mustBeOpen();
    return this.#hub.watch(range, options);
  }

  async compact(revision: number): Promise<void> {
    this.#mustBeOpen();
    validateReadable(revision, 0, this.history.revision);
    if (revision <= this.history.compactedRevision) return;
    this.history.compact(revision);
  }

  async status(): Promise<StoreStatus> {
    this.#mustBeOpen();
    const entries = this.history.entriesAt({ start: "", end: undefined });
    return {
      engine: "memory",
      revision: this.history.revision,
      compactedRevision: this.history.compactedRevision,
      keys: entries.length,
      sizeBytes: entries.reduce((sum, entry) => sum + entryBytes(entry), 0),
    };
  }

  async close(): Promise<void> {
    this.#closed = true;
    this.#leases.close();
    this.#hub.close();
  }

  #endLease(leaseId: number): void {
    const before = this.history.revision;
    const deletion = new MemoryTransaction(this.history);
    for (const key of keysOfLease(this.history, leaseId)) deletion.delete(key);
    deletion.commit();
    this.history.leases.delete(leaseId);
    this.#leases.remove(leaseId);
    this.#afterWrite(before);
  }

  #afterWrite(revisionBefore: number): void {
    const { history } = this;
    if (history.revision === revisionBefore) return;
    for (const batch of history.batchesFrom(history.revision)) {
      this.#hub.changed(batch.revision, batch.events.map(keyOfEvent));
    }
    if (history.revision - history.compactedRevision > this.#historyRevisionsMax) {
      history.compact(history.revision - Math.floor(this.#historyRevisionsMax / 2));
    }
  }

  #readBatches(bounds: KeyBounds, fromRevision: number): WatchPage {
    const page = this.history.batchesFrom(fromRevision).slice(0, WATCH_PAGE_BATCHES);
    const batches = page
      .map(({ revision, events }) => ({
        revision,
        events: events.filter((event) => contains(bounds, keyOfEvent(event))).map(copyEvent),
      }))
      .filter((batch) => batch.events.length > 0);
    return { batches, nextRevision: fromRevision + page.length };
  }

  #readableRevision(revision = this.history.revision): number {
    validateReadable(revision, this.history.compactedRevision, this.history.revision);
    return revision;
  }

  #mustBeOpen(): void {
    if (this.#closed) throw new MeshError("MESH_STORE_CLOSED");
  }
}

/** Entries up to both limits of a page, and at least one. */
function firstPage(entries: readonly KeyValue[], limit: number, keysOnly: boolean): KeyValue[] {
  const page: KeyValue[] = [];
  let bytes = 0;
  for (const entry of entries.slice(0, limit)) {
    const taken = copyEntry(keysOnly ? { ...entry, value: new Uint8Array(0) } : entry);
    bytes += entryBytes(taken);
    if (page.length > 0 && bytes > limits.STORE_RANGE_BYTES_MAX) break;
    page.push(taken);
  }
  return page;
}

function entryBytes(entry: KeyValue): number {
  return Buffer.byteLength(entry.key, "utf8") + entry.value.length;
}

/** Readers get bytes of their own, as from a disk: what they do to them changes nothing here. */
function copyEntry(entry: KeyValue): KeyValue {
  return { ...entry, value: entry.value.slice() };
}

function copyEvent(event: StoreEvent): StoreEvent {
  const previous = event.previous === undefined ? undefined : copyEntry(event.previous);
  if (event.type === "delete") return { ...event, previous };
  return { ...event, entry: copyEntry(event.entry), previous };
}

function keyOfEvent(event: StoreEvent): string {
  return event.type === "put" ? event.entry.key : event.key;
}
