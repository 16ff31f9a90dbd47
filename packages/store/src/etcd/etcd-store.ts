/** The engine on etcd: a `Store` in a cluster, below a prefix of its keys. */
import { type Clock, type Logger, limits, MeshError, type Random } from "@hearthmesh/core";
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
  guardError,
  validateKey,
  validateRange,
  validateRangeOptions,
  validateRevision,
  validateTransaction,
} from "../validate.js";
import { CompactionHorizon } from "./compaction.js";
import { type TlsMaterial, validateEndpoints } from "./endpoints.js";
import { EtcdClient } from "./etcd-client.js";
import { EtcdLeases } from "./etcd-leases.js";
import { watchBatches } from "./etcd-watch.js";
import { KeySpace, safe } from "./key-space.js";
import type { RangeRequest, WithHeader } from "./messages.js";
import { mayHaveHappened } from "./no-space.js";
import { readRange } from "./range-reader.js";
import { type Refusals, TransactionChecks } from "./transaction-checks.js";
import { endingOf, isReadOnly, planOf, resultsOf } from "./transaction-request.js";
import { WorkGate } from "./work-gate.js";

export interface EtcdStoreOptions {
  /** `https://host:port`, or `http://` for this machine; else `MESH_CONFIG_INVALID`. */
  readonly endpoints: readonly string[];
  /** Needed for https. Asked at each new connection, so that renewed certificates are taken. */
  readonly tls?: () => TlsMaterial;
  readonly user?: { readonly name: string; readonly password: string };
  /** Every key of the store is below it, so that a cluster may be shared. Not empty. */
  readonly keyPrefix: string;
  /** Time for one call with all its tries; 5,000 when left out. */
  readonly requestTimeoutMs?: number;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Logger;
}

export interface EtcdStore extends Store {
  /** Other addresses of the same cluster; calls under way go on. */
  setEndpoints(endpoints: readonly string[]): void;
  /** Leaves all connections and dials anew; calls under way go on. */
  redial(): void;
}

/**
 * Connects to a cluster. `MESH_CONFIG_INVALID`, `MESH_STORE_UNAVAILABLE` when no endpoint serves
 * within the request timeout, `MESH_UNAUTHENTICATED`, `MESH_STORE_NEWER`.
 */
export async function openEtcdStore(options: EtcdStoreOptions): Promise<EtcdStore> {
  validateEndpoints(options.endpoints, options.tls !== undefined);
  const keys = new KeySpace(options.keyPrefix);
  const log = options.log.child({ part: "store" });
  const client = await EtcdClient.load({ ...options, log });
  try {
    await client.open();
    return new EtcdEngine(client, keys, { ...options, log });
  } catch (error) {
    client.close();
    throw error;
  }
}

class EtcdEngine implements EtcdStore {
  readonly #client: EtcdClient;
  readonly #keys: KeySpace;
  readonly #options: EtcdStoreOptions;
  readonly #gate = new WorkGate();
  readonly #horizon: CompactionHorizon;
  readonly #leases: EtcdLeases;
  readonly #checks: TransactionChecks;
  readonly #watchers = new Set<AbortController>();
  /** Watches whose start is being fixed; writes that are called later wait for it. */
  #starting: Promise<unknown> | undefined;
  /** The highest revision that any answer had. */
  #seenRevision = 0;
  #closing: Promise<void> | undefined;

  constructor(client: EtcdClient, keys: KeySpace, options: EtcdStoreOptions) {
    this.#client = client;
    this.#keys = keys;
    this.#options = options;
    this.#horizon = new CompactionHorizon(client, keys);
    this.#leases = new EtcdLeases({
      client,
      random: options.random,
      run: (work) => this.#run(0, work),
    });
    this.#checks = new TransactionChecks(client, keys, this.#leases);
    options.log.info("connected to the store");
  }

  get(key: string, options: { revision?: number } = {}): Promise<KeyValue | undefined> {
    return this.#run(0, async () => {
      validateKey(key);
      const { revision } = options;
      const request: RangeRequest = { key: this.#keys.encode(key) };
      const { kvs } = await this.#atRevision(revision, () => this.#range(request, revision));
      return kvs[0] === undefined ? undefined : this.#keys.entryOf(kvs[0]);
    });
  }

  range(range: KeyRange, options: RangeOptions = {}): Promise<RangeResult> {
    return this.#run(0, async () => {
      validateRange(range);
      const limit = validateRangeOptions(options);
      const { reverse = false, keysOnly = false, revision } = options;
      const query = { limit, reverse, keysOnly, revision };
      return await this.#atRevision(revision, () =>
        readRange(this.#client, this.#keys, range, query),
      );
    });
  }

  async transact(transaction: Transaction): Promise<TransactionResult> {
    this.#mustBeOpen();
    const bytes = validateTransaction(transaction);
    return await this.#gate.run(bytes, async () => {
      // Checked in the order of the calls: a lease that was revoked before is refused at once.
      const refusals = TransactionChecks.concerns(transaction)
        ? this.#checks.of(transaction)
        : undefined;
      if (this.#starting !== undefined) await this.#starting;
      return await this.#transact(transaction, (await refusals) ?? {});
    });
  }

  grantLease(ttlMs: number): Promise<Lease> {
    return this.#run(0, () => this.#leases.grant(ttlMs));
  }

  findLease(leaseId: number): Promise<Lease | undefined> {
    return this.#run(0, () => this.#leases.find(leaseId));
  }

  watch(
    range: KeyRange,
    options: { fromRevision?: number; signal?: AbortSignal } = {},
  ): AsyncIterable<WatchBatch> {
    this.#mustBeOpen();
    validateRange(range);
    const { fromRevision, signal } = options;
    if (fromRevision !== undefined) validateRevision("fromRevision", fromRevision);
    const start = fromRevision === undefined ? this.#fixStart() : Promise.resolve(fromRevision);
    return { [Symbol.asyncIterator]: () => this.#watch(range, start, signal) };
  }

  compact(revision: number): Promise<void> {
    return this.#run(0, async () => {
      validateRevision("revision", revision);
      try {
        await this.#client.call(this.#client.protocol.methods.compact, { revision }, "repeatable");
        this.#horizon.learn(revision);
      } catch (error) {
        if (error instanceof MeshError && error.code === "MESH_STORE_COMPACTED") return;
        throw await this.#horizon.explain(error, revision);
      }
    });
  }

  status(): Promise<StoreStatus> {
    return this.#run(0, async () => {
      const { status } = this.#client.protocol.methods;
      const [compactedRevision, all, { dbSize }] = await Promise.all([
        this.#horizon.revision(),
        this.#range({ ...this.#keys.rangeOf({ prefix: "" }), countOnly: true }),
        this.#client.call(status, {}, "repeatable"),
      ]);
      const revision = safe(all.header?.revision ?? 0);
      const sizeBytes = Number(dbSize);
      return { engine: "etcd", revision, compactedRevision, keys: all.count, sizeBytes };
    });
  }

  setEndpoints(endpoints: readonly string[]): void {
    this.#mustBeOpen();
    this.#client.pool.setEndpoints(endpoints);
  }

  redial(): void {
    this.#mustBeOpen();
    this.#client.pool.redial();
  }

  /** What was called before is still answered; watchers fail with `MESH_STORE_CLOSED`. */
  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  async #close(): Promise<void> {
    for (const watcher of this.#watchers) watcher.abort();
    await this.#gate.drained();
    this.#client.close();
    this.#options.log.info("closed the store");
  }

  async #transact(transaction: Transaction, refusals: Refusals): Promise<TransactionResult> {
    const knownRevision = this.#seenRevision;
    try {
      return await this.#send(transaction, refusals);
    } catch (error) {
      if (!(error instanceof MeshError)) throw error;
      if (error.code === "MESH_STORE_LEASE_UNKNOWN" && error.details?.leaseId === undefined) {
        throw await this.#checks.endedLease(transaction);
      }
      if (error.code !== "MESH_STORE_NO_SPACE") throw error;
      const unclear = await mayHaveHappened(this.#client, this.#keys, transaction, knownRevision);
      throw unclear ? new MeshError("MESH_STORE_RESULT_UNKNOWN", { cause: error }) : error;
    }
  }

  async #send(transaction: Transaction, refusals: Refusals): Promise<TransactionResult> {
    const single = this.#sendSingle(transaction, refusals);
    if (single !== undefined) return await single;
    const plan = planOf(this.#keys, transaction, (branch) => refusals[branch] !== undefined);
    const repeat = isReadOnly(transaction) ? "repeatable" : "once";
    const { txn } = this.#client.protocol.methods;
    const response = await this.#client.call(txn, plan.request, repeat);
    const revision = this.#revisionOf(response);
    const { branch, responses } = endingOf(plan, response);
    if (branch === "guard") {
      throw transaction.guard === undefined
        ? new MeshError("MESH_INTERNAL")
        : guardError(transaction.guard);
    }
    if (refusals[branch] !== undefined) throw refusals[branch];
    const operations = transaction[branch] ?? [];
    const results = resultsOf(this.#keys, operations, responses);
    return { succeeded: branch === "success", revision, results };
  }

  /**
   * One unconditional write without its wrapping. etcd also lets such a deletion through when it
   * has no space left.
   */
  #sendSingle(
    { guard, compare, success }: Transaction,
    refusals: Refusals,
  ): Promise<TransactionResult> | undefined {
    const [operation] = success;
    if (guard !== undefined || (compare?.length ?? 0) > 0 || success.length !== 1) return undefined;
    if (operation === undefined || refusals.success !== undefined) return undefined;
    const { put, deleteRange } = this.#client.protocol.methods;
    if (operation.type === "put") {
      const { key, value, leaseId = 0 } = operation;
      const request = { key: this.#keys.encode(key), value, lease: leaseId };
      return this.#client.call(put, request, "once").then((response) => ({
        succeeded: true,
        revision: this.#revisionOf(response),
        results: [{ type: "put" }],
      }));
    }
    if (operation.type === "get") return undefined;
    const request =
      operation.type === "delete"
        ? { key: this.#keys.encode(operation.key) }
        : { ...this.#keys.rangeOf(operation.range) };
    return this.#client.call(deleteRange, request, "once").then((response) => ({
      succeeded: true,
      revision: this.#revisionOf(response),
      results: [{ type: "delete", deleted: response.deleted }],
    }));
  }

  async #range(request: RangeRequest, revision?: number) {
    if (revision !== undefined) request.revision = revision;
    const { range } = this.#client.protocol.methods;
    const answer = await this.#client.call(range, request, "repeatable");
    this.#revisionOf(answer);
    return answer;
  }

  /** Reads of the past fail with the numbers that etcd leaves out. */
  async #atRevision<T>(revision: number | undefined, work: () => Promise<T>): Promise<T> {
    if (revision === undefined) return await work();
    validateRevision("revision", revision);
    try {
      return await work();
    } catch (error) {
      throw await this.#horizon.explain(error, revision);
    }
  }

  #revisionOf({ header }: WithHeader): number {
    const revision = safe(header?.revision ?? 0);
    if (revision > this.#seenRevision) this.#seenRevision = revision;
    return revision;
  }

  /** The revision after the one that a read finds which is sent now. */
  #fixStart(): Promise<number> {
    const start = this.#gate.run(0, async () => {
      const answer = await this.#range({ ...this.#keys.nothing });
      return safe(answer.header?.revision ?? 0) + 1;
    });
    const settled: Promise<unknown> = Promise.all([
      this.#starting,
      start.catch(() => undefined),
    ]).then(() => {
      if (this.#starting === settled) this.#starting = undefined;
    });
    this.#starting = settled;
    return start;
  }

  async *#watch(
    range: KeyRange,
    start: Promise<number>,
    signal: AbortSignal | undefined,
  ): AsyncGenerator<WatchBatch, void, void> {
    if (this.#watchers.size >= limits.STORE_WATCHERS_MAX) {
      throw new MeshError("MESH_LIMIT", {
        message: `the store has ${limits.STORE_WATCHERS_MAX} watchers already`,
      });
    }
    const end = new AbortController();
    const onAbort = () => end.abort();
    this.#watchers.add(end);
    signal?.addEventListener("abort", onAbort);
    try {
      if (signal?.aborted === true) return;
      const { clock, random, user } = this.#options;
      const context = {
        client: this.#client,
        keys: this.#keys,
        horizon: this.#horizon,
        clock,
        random,
        hasUser: user !== undefined,
      };
      yield* watchBatches(context, this.#keys.rangeOf(range), await start, end.signal);
      if (this.#closing !== undefined) throw new MeshError("MESH_STORE_CLOSED");
    } finally {
      signal?.removeEventListener("abort", onAbort);
      this.#watchers.delete(end);
    }
  }

  /** An async function, so that what is refused rejects and never throws. */
  async #run<T>(bytes: number, work: () => Promise<T>): Promise<T> {
    this.#mustBeOpen();
    return await this.#gate.run(bytes, work);
  }

  #mustBeOpen(): void {
    if (this.#closing !== undefined) throw new MeshError("MESH_STORE_CLOSED");
  }
}
