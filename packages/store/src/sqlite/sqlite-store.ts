/** The embedded engine: a `Store` on one SQLite file. */
import { type Clock, errorFields, type Logger, limits, MeshError } from "@hearthmesh/core";
import { boundsOf } from "../keys.js";
import { LeaseBook } from "../lease-book.js";
import type {
  KeyRange,
  KeyValue,
  Lease,
  RangeOptions,
  RangeResult,
  Store,
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
import { WatchHub } from "../watch-hub.js";
import { GroupCommit } from "./group-commit.js";
import { type HistoryLimits, readBatches, tidyHistory } from "./history.js";
import { openFiles, type StoreFiles } from "./open-files.js";
import { readRange } from "./range-reader.js";
import { Tables } from "./tables.js";
import { endLease, runTransaction } from "./transaction.js";
import { type StoreState, WriteBatch } from "./write-batch.js";

/** How long to wait before the keys of an ended lease are deleted again, when that failed. */
const LEASE_RETRY_MS = 1000;

export interface SqliteStoreOptions {
  /** Made when it is missing, for this user only. One process may have it open. */
  readonly directory: string;
  readonly clock: Clock;
  readonly log: Logger;
  /** Above it, `MESH_DISK_FULL`. */
  readonly databaseBytesMax?: number;
  /** Revisions and bytes of history that are kept before the oldest are compacted by themselves. */
  readonly historyRevisionsMax?: number;
  readonly historyBytesMax?: number;
}

/** A store in one file. */
export interface SqliteStore extends Store {
  /**
   * Writes all that was answered so far into a new database file, history and leases too, as
   * `store.db` of another directory could be. The process does nothing else meanwhile: about a
   * second for 200 MB. It is not synced. `MESH_DISK_FULL`, `MESH_DISK_FAILED`.
   */
  copyTo(path: string): Promise<void>;
}

/**
 * Opens the store in a directory, or makes one there. `MESH_HOME_IN_USE` when another process has
 * it, `MESH_STORE_NEWER`, `MESH_STORE_CORRUPT`, `MESH_DISK_FULL` or `MESH_DISK_FAILED`.
 */
export async function openSqliteStore(options: SqliteStoreOptions): Promise<SqliteStore> {
  const files = openFiles({
    directory: options.directory,
    databaseBytesMax: options.databaseBytesMax ?? limits.STORE_DATABASE_BYTES_MAX,
  });
  try {
    return new SqliteEngine(files, options);
  } catch (error) {
    files.close();
    throw error;
  }
}

class SqliteEngine implements SqliteStore {
  readonly #files: StoreFiles;
  readonly #log: Logger;
  readonly #tables: Tables;
  readonly #commits: GroupCommit;
  readonly #leases: LeaseBook;
  readonly #hub: WatchHub;
  readonly #history: HistoryLimits;
  #state: StoreState;
  #closing: Promise<void> | undefined;

  constructor(files: StoreFiles, options: SqliteStoreOptions) {
    this.#files = files;
    this.#log = options.log.child({ part: "store" });
    this.#history = {
      revisionsMax: options.historyRevisionsMax ?? limits.STORE_HISTORY_REVISIONS_MAX,
      bytesMax: options.historyBytesMax ?? limits.STORE_HISTORY_BYTES_MAX,
    };
    this.#tables = new Tables(files.database);
    this.#state = this.#tables.loadState();
    this.#leases = new LeaseBook({
      clock: options.clock,
      onDue: (leaseIds) => this.#endLeases(leaseIds),
    });
    for (const { leaseId, ttlMs } of this.#tables.leases()) this.#leases.add(leaseId, ttlMs);
    this.#hub = new WatchHub({
      revision: () => this.#state.revision,
      compactedRevision: () => this.#state.compactedRevision,
      readBatches: (bounds, fromRevision) =>
        readBatches(this.#tables, bounds, fromRevision, this.#state.revision),
    });
    this.#commits = new GroupCommit({
      database: files.database,
      newBatch: () => new WriteBatch(this.#state),
      beforeCommit: (batch) => this.#tidy(batch),
      committed: (batch) => this.#committed(batch),
    });
    const { revision } = this.#state;
    if (files.recoveredBytes > 0) {
      this.#log.warn("the last run was broken off; every whole change in its log was taken over", {
        bytes: files.recoveredBytes,
        revision,
      });
    }
    if (files.isLiveCopy) {
      this.#log.info("the store is a copy of one that ran; it was checked and is whole", {
        revision,
      });
    }
    this.#log.info("opened the store", { revision });
  }

  async get(key: string, options: { revision?: number } = {}): Promise<KeyValue | undefined> {
    this.#mustBeOpen();
    validateKey(key);
    const past = this.#pastRevision(options.revision);
    return past === undefined ? this.#tables.entry(key) : this.#tables.entryAt(key, past);
  }

  async range(range: KeyRange, options: RangeOptions = {}): Promise<RangeResult> {
    this.#mustBeOpen();
    validateRange(range);
    const limit = validateRangeOptions(options);
    const pastRevision = this.#pastRevision(options.revision);
    const page = readRange(this.#tables, boundsOf(range), {
      limit,
      reverse: options.reverse === true,
      keysOnly: options.keysOnly === true,
      pastRevision,
    });
    return { ...page, revision: pastRevision ?? this.#state.revision };
  }

  async transact(transaction: Transaction): Promise<TransactionResult> {
    this.#mustBeOpen();
    const bytes = validateTransaction(transaction);
    return await this.#commits.submit(bytes, (batch) =>
      runTransaction(
        {
          tables: this.#tables,
          batch,
          mustBeAlive: (leaseId) => this.#leases.mustBeAlive(leaseId),
        },
        transaction,
      ),
    );
  }

  async grantLease(ttlMs: number): Promise<Lease> {
    this.#mustBeOpen();
    validateLeaseTtl(ttlMs);
    const id = await this.#commits.submit(0, (batch) => {
      refuseTooManyLeases(batch.state.openLeases);
      batch.writes++;
      const leaseId = batch.state.lastLeaseId + 1;
      this.#tables.insertLease(leaseId, ttlMs);
      this.#tables.setMeta("last_lease_id", leaseId);
      batch.state.lastLeaseId = leaseId;
      batch.state.openLeases++;
      batch.afterCommit.push(() => this.#leases.add(leaseId, ttlMs));
      return leaseId;
    });
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
        await this.#endLease(id);
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
    validateReadable(revision, 0, this.#state.revision);
    await this.#commits.submit(0, (batch) => {
      if (revision <= batch.state.compactedRevision) return;
      batch.writes++;
      this.#tables.setMeta("compacted_revision", revision);
      batch.state.compactedRevision = revision;
    });
  }

  async status(): Promise<StoreStatus> {
    this.#mustBeOpen();
    this.#state.keys ??= this.#tables.countLive();
    return {
      engine: "sqlite",
      revision: this.#state.revision,
      compactedRevision: this.#state.compactedRevision,
      keys: this.#state.keys,
      sizeBytes: this.#files.sizeBytes(),
    };
  }

  async copyTo(path: string): Promise<void> {
    this.#mustBeOpen();
    this.#files.database.prepare("VACUUM INTO ?").run(path);
  }

  /** What was submitted before is still written; watchers fail with `MESH_STORE_CLOSED`. */
  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  async #close(): Promise<void> {
    this.#leases.close();
    this.#hub.close();
    await this.#commits.drained();
    try {
      this.#files.close();
    } catch (error) {
      // Nothing is lost: every answered write is in the log, which the next opening reads.
      this.#log.warn("the store's log could not be moved into its file", errorFields(error));
    }
    this.#log.info("closed the store", { revision: this.#state.revision });
  }

  #committed(batch: WriteBatch): void {
    this.#state = batch.state;
    for (const effect of batch.afterCommit) effect();
    for (const { revision, keys } of batch.changes) this.#hub.changed(revision, keys);
  }

  /** With nothing else to write, the rest of a compaction goes on by itself, step by step. */
  #tidy(batch: WriteBatch): void {
    const more = tidyHistory(this.#tables, batch, this.#history);
    if (!more || !this.#commits.idle || this.#closing !== undefined) return;
    batch.afterCommit.push(() => {
      // An empty write: the step itself runs before each commit.
      const step = this.#commits.submit(0, (next) => {
        next.writes++;
      });
      step.catch((error: unknown) => {
        this.#log.warn("compaction stopped; the next write goes on with it", errorFields(error));
      });
    });
  }

  #endLeases(leaseIds: readonly number[]): void {
    const endings = leaseIds.map((leaseId) => this.#endLease(leaseId));
    Promise.all(endings).catch((error: unknown) => {
      if (this.#closing !== undefined) return;
      this.#log.warn("the keys of an ended lease are still there", errorFields(error));
      this.#leases.retryAfter(LEASE_RETRY_MS);
    });
  }

  #endLease(leaseId: number): Promise<void> {
    return this.#commits.submit(0, (batch) => {
      endLease(this.#tables, batch, leaseId);
      batch.afterCommit.push(() => this.#leases.remove(leaseId));
    });
  }

  /** Nothing stands for the present. */
  #pastRevision(revision: number | undefined): number | undefined {
    if (revision === undefined) return undefined;
    validateReadable(revision, this.#state.compactedRevision, this.#state.revision);
    return revision === this.#state.revision ? undefined : revision;
  }

  #mustBeOpen(): void {
    if (this.#closing !== undefined) throw new MeshError("MESH_STORE_CLOSED");
  }
}
