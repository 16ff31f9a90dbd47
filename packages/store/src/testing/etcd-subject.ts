/**
 * The etcd engine, ready for the suite and the comparison with the model. All tests share one
 * cluster; each has a key prefix of its own. What is global or real in etcd is made local here, so
 * that the suite needs no exceptions:
 *
 * - revisions count from 1 again for each store under test;
 * - lease ids count from 1 again; etcd is given a long time for each, and the lease is ended when
 *   the clock of the test says so, by the call that etcd makes itself at that moment;
 * - transactions that are called one after the other are sent one after the other. etcd promises no
 *   order for calls that are under way together, and the comparison needs one.
 */
import { type Clock, isMeshError, MeshError, silentLogger, systemRandom } from "@hearthmesh/core";
import { ManualClock } from "@hearthmesh/core/testing";
import { type EtcdStore, openEtcdStore } from "../etcd/etcd-store.js";
import type {
  Compare,
  KeyRange,
  KeyValue,
  Lease,
  Operation,
  RangeOptions,
  RangeResult,
  Store,
  StoreEvent,
  StoreStatus,
  Transaction,
  TransactionResult,
  WatchBatch,
} from "../types.js";
import { compactedError, leaseEndedError, validateLeaseTtl } from "../validate.js";
import type { StoreUnderTest } from "./harness.js";

/** What etcd is told beside each time to live, so that its own clock plays no part. */
const REAL_TTL_MS = 3_600_000;

interface TestLease {
  readonly real: Lease;
  readonly ttlMs: number;
  deadlineMs: number;
}

/** What outlives a restart of the store under test. */
class TestState {
  readonly clock = new ManualClock();
  /** By the ids that the test sees, from 1. */
  readonly leases = new Map<number, TestLease>();
  readonly testIds = new Map<number, number>();
  /** The cluster's revision that is 1 for the test, less 1. */
  base = 0;
}

/** A store under test in a cluster that is there already. */
export async function etcdSubject(endpoints: readonly string[]): Promise<StoreUnderTest> {
  const keyPrefix = `/conformance/${Buffer.from(systemRandom().bytes(8)).toString("hex")}/`;
  const state = new TestState();
  const open = async () => {
    const engine = await openEtcdStore({
      endpoints,
      keyPrefix,
      clock: withoutTimeouts(state.clock),
      random: systemRandom(),
      log: silentLogger,
    });
    return engine;
  };
  const engine = await open();
  // Not the very first revision of a cluster, below which nothing can be compacted.
  const outside = await openEtcdStore({
    endpoints,
    keyPrefix: "/outside/",
    clock: state.clock,
    random: systemRandom(),
    log: silentLogger,
  });
  const success = [{ type: "put", key: "turn", value: new Uint8Array(0) } as const];
  state.base = (await outside.transact({ success })).revision - 1;
  await outside.close();
  return new EtcdSubject(engine, state, open);
}

/** The engine's timeouts are not what these tests are about. */
function withoutTimeouts(clock: Clock): Clock {
  return { ...clockMethods(clock), setTimeout: () => ({ cancel() {} }) };
}

function clockMethods(clock: Clock): Clock {
  return {
    nowMs: () => clock.nowMs(),
    monotonicMs: () => clock.monotonicMs(),
    setTimeout: (callback, delayMs) => clock.setTimeout(callback, delayMs),
  };
}

class EtcdSubject implements StoreUnderTest {
  store: LocalStore;
  /** etcd holds 1,024 answers for each watcher, and the connection a window full of bytes. */
  readonly lag = { writes: 1_500, valueBytes: 4_096 };
  readonly #state: TestState;
  readonly #open: () => Promise<EtcdStore>;

  constructor(engine: EtcdStore, state: TestState, open: () => Promise<EtcdStore>) {
    this.#state = state;
    this.#open = open;
    this.store = new LocalStore(engine, state);
  }

  async reopen(): Promise<void> {
    await this.store.close();
    const engine = await this.#open();
    this.store = new LocalStore(engine, this.#state);
    const nowMs = this.#state.clock.monotonicMs();
    for (const [id, lease] of this.#state.leases) {
      const real = await engine.findLease(lease.real.id);
      if (real === undefined) this.#state.leases.delete(id);
      else {
        this.#state.leases.set(id, { ...lease, real, deadlineMs: nowMs + lease.ttlMs });
      }
    }
  }

  async advance(durationMs: number): Promise<void> {
    const { clock, leases } = this.#state;
    const endMs = clock.monotonicMs() + durationMs;
    clock.pass(durationMs);
    const due = [...leases].filter(([, lease]) => lease.deadlineMs <= endMs);
    due.sort(([idA, a], [idB, b]) => a.deadlineMs - b.deadlineMs || idA - idB);
    for (const [id, { real }] of due) {
      leases.delete(id);
      await real.revoke();
    }
  }

  async dispose(): Promise<void> {
    await this.store.close();
  }
}

/** The engine with revisions and lease ids that count from 1. */
class LocalStore implements Store {
  readonly #engine: EtcdStore;
  readonly #state: TestState;
  #lastTransaction: Promise<unknown> = Promise.resolve();

  constructor(engine: EtcdStore, state: TestState) {
    this.#engine = engine;
    this.#state = state;
  }

  async get(key: string, options: { revision?: number } = {}): Promise<KeyValue | undefined> {
    const entry = await this.#local(() => this.#engine.get(key, this.#globalOptions(options)));
    return entry && this.#entry(entry);
  }

  async range(range: KeyRange, options: RangeOptions = {}): Promise<RangeResult> {
    const page = await this.#local(() => this.#engine.range(range, this.#globalOptions(options)));
    const entries = page.entries.map((entry) => this.#entry(entry));
    return { entries, more: page.more, revision: page.revision - this.#state.base };
  }

  transact(transaction: Transaction): Promise<TransactionResult> {
    const copy = copied(transaction);
    const answer = this.#lastTransaction.then(() => this.#transact(copy));
    this.#lastTransaction = answer.catch(() => undefined);
    return answer;
  }

  async grantLease(ttlMs: number): Promise<Lease> {
    validateLeaseTtl(ttlMs);
    const { clock, leases, testIds } = this.#state;
    const real = await this.#local(() => this.#engine.grantLease(REAL_TTL_MS));
    const id = testIds.size + 1;
    testIds.set(real.id, id);
    leases.set(id, { real, ttlMs, deadlineMs: clock.monotonicMs() + ttlMs });
    return this.#handle(id, real, ttlMs);
  }

  async findLease(leaseId: number): Promise<Lease | undefined> {
    const lease = this.#state.leases.get(leaseId);
    const real = await this.#local(() => this.#engine.findLease(lease?.real.id ?? leaseId));
    return real && lease && this.#handle(leaseId, real, lease.ttlMs);
  }

  watch(
    range: KeyRange,
    options: { fromRevision?: number; signal?: AbortSignal } = {},
  ): AsyncIterable<WatchBatch> {
    const { fromRevision } = options;
    const { base } = this.#state;
    const from = Number.isSafeInteger(fromRevision) ? Number(fromRevision) + base : fromRevision;
    const batches = this.#engine.watch(range, {
      ...options,
      ...(from === undefined ? {} : { fromRevision: from }),
    });
    return { [Symbol.asyncIterator]: () => this.#watch(batches) };
  }

  async compact(revision: number): Promise<void> {
    await this.#local(() => this.#engine.compact(this.#globalRevision(revision)));
  }

  async status(): Promise<StoreStatus> {
    const { base } = this.#state;
    const status = await this.#local(() => this.#engine.status());
    const compactedRevision = Math.max(0, status.compactedRevision - base);
    return { ...status, revision: status.revision - base, compactedRevision };
  }

  async close(): Promise<void> {
    await this.#lastTransaction;
    await this.#engine.close();
  }

  async #transact(transaction: Transaction): Promise<TransactionResult> {
    const { guard, compare, success, failure } = transaction;
    const answer = await this.#local(() =>
      this.#engine.transact({
        ...(guard === undefined ? {} : { guard: this.#compare(guard) }),
        ...(compare === undefined ? {} : { compare: compare.map((each) => this.#compare(each)) }),
        success: success.map((each) => this.#operation(each)),
        ...(failure === undefined ? {} : { failure: failure.map((each) => this.#operation(each)) }),
      }),
    );
    const results = answer.results.map((result) =>
      result.type === "get" && result.entry !== undefined
        ? { type: "get" as const, entry: this.#entry(result.entry) }
        : result,
    );
    return { ...answer, revision: answer.revision - this.#state.base, results };
  }

  async *#watch(batches: AsyncIterable<WatchBatch>): AsyncGenerator<WatchBatch, void, void> {
    const source = batches[Symbol.asyncIterator]();
    try {
      for (;;) {
        const next = await this.#local(() => source.next());
        if (next.done === true) return;
        const { revision, events } = next.value;
        const local = events.map((event) => this.#event(event));
        yield { revision: revision - this.#state.base, events: local };
      }
    } finally {
      await source.return?.();
    }
  }

  #handle(id: number, real: Lease, ttlMs: number): Lease {
    const { clock, leases } = this.#state;
    return {
      id,
      ttlMs,
      keepAlive: async () => {
        await this.#local(() => real.keepAlive());
        const lease = leases.get(id);
        if (lease !== undefined) lease.deadlineMs = clock.monotonicMs() + ttlMs;
      },
      revoke: async () => {
        const revoked = this.#local(() => real.revoke());
        leases.delete(id);
        await revoked;
      },
    };
  }

  #event(event: StoreEvent): StoreEvent {
    const previous = event.previous && this.#entry(event.previous);
    if (event.type === "put") return { type: "put", entry: this.#entry(event.entry), previous };
    return { ...event, modRevision: event.modRevision - this.#state.base, previous };
  }

  #entry(entry: KeyValue): KeyValue {
    const { base, testIds } = this.#state;
    return {
      ...entry,
      createRevision: entry.createRevision - base,
      modRevision: entry.modRevision - base,
      leaseId: testIds.get(entry.leaseId) ?? entry.leaseId,
    };
  }

  /** 0 stands for a missing key and stays. Each comparison means the same as before. */
  #compare(compare: Compare): Compare {
    if (compare.target === "value" || compare.target === "version") return compare;
    const { base } = this.#state;
    if (compare.value > 0 || !Number.isSafeInteger(compare.value)) {
      return { ...compare, value: compare.value + base };
    }
    return compare;
  }

  #operation(operation: Operation): Operation {
    if (operation.type !== "put" || !((operation.leaseId ?? 0) > 0)) return operation;
    const id = operation.leaseId ?? 0;
    const real = [...this.#state.testIds].find(([, testId]) => testId === id)?.[0];
    return { ...operation, leaseId: real ?? id };
  }

  #globalRevision(revision: number): number {
    return revision >= 1 ? revision + this.#state.base : revision;
  }

  #globalOptions<Options extends { revision?: number }>(options: Options): Options {
    if (options.revision === undefined) return options;
    return { ...options, revision: this.#globalRevision(options.revision) };
  }

  /** With the test's numbers in the errors too. */
  async #local<T>(work: () => Promise<T>): Promise<T> {
    try {
      return await work();
    } catch (error) {
      throw isMeshError(error) ? this.#localError(error) : error;
    }
  }

  #localError(error: MeshError): MeshError {
    const { base, testIds } = this.#state;
    const { revision, compactedRevision, currentRevision, leaseId } = error.details ?? {};
    if (error.code === "MESH_STORE_COMPACTED") {
      return compactedError(Number(revision) - base, Number(compactedRevision) - base);
    }
    if (error.code === "MESH_STORE_FUTURE_REVISION") {
      const message = error.message
        .replace(String(revision), String(Number(revision) - base))
        .replace(String(currentRevision), String(Number(currentRevision) - base));
      return new MeshError(error.code, { message });
    }
    if (error.code === "MESH_STORE_LEASE_UNKNOWN") {
      return leaseEndedError(testIds.get(Number(leaseId)) ?? Number(leaseId));
    }
    return error;
  }
}

/** As it is at the moment of the call, since it is sent later. */
function copied(transaction: Transaction): Transaction {
  const copy = (operation: Operation): Operation =>
    operation.type === "put" && operation.value instanceof Uint8Array
      ? { ...operation, value: operation.value.slice() }
      : operation;
  const { success, failure } = transaction;
  return {
    ...transaction,
    success: success.map(copy),
    ...(failure === undefined ? {} : { failure: failure.map(copy) }),
  };
}
