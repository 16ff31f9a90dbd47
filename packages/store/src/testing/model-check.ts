/**
 * Runs the same random operations on an engine and on the memory engine, its model, and demands the
 * same answers, the same errors and in the end the same contents.
 *
 * Transactions of one burst are sent without waiting in between, so that an engine which groups
 * them does so; they must come out as if they had run in the order in which they were sent. The
 * engine must count revisions and lease ids as the model does.
 */
import assert from "node:assert/strict";
import { isMeshError } from "@hearthmesh/core";
import type * as FastCheck from "fast-check";
import { boundsOf, contains } from "../keys.js";
import type { MemoryStore } from "../memory/memory-store.js";
import type { KeyRange, Lease, Operation, Store, Transaction, WatchBatch } from "../types.js";
import { type StoreUnderTest, take } from "./harness.js";
import {
  CHOSEN_LEASE,
  type ModelCommand,
  modelCommands,
  type PlannedTransaction,
} from "./model-commands.js";
import { memorySubject } from "./subjects.js";

/**
 * The property, for `fc.assert`. `fc` is the caller's fast-check, so that this package needs none.
 */
export function matchesModel(
  fc: typeof FastCheck,
  open: () => Promise<StoreUnderTest>,
): FastCheck.IAsyncPropertyWithHooks<[ModelCommand[]]> {
  return fc.asyncProperty(modelCommands(fc), async (commands) => {
    const comparison = new Comparison(await memorySubject(), await open());
    try {
      for (const command of commands) await comparison.run(command);
      await comparison.finish();
    } finally {
      await comparison.dispose();
    }
  });
}

class Comparison {
  readonly #model: StoreUnderTest;
  readonly #engine: StoreUnderTest;
  /** The same leases of both; those from before a restart can no longer be reached. */
  #leases: { model: Lease; engine: Lease }[] = [];
  #lastLeaseId = 0;

  constructor(model: StoreUnderTest, engine: StoreUnderTest) {
    this.#model = model;
    this.#engine = engine;
  }

  async run(command: ModelCommand): Promise<void> {
    switch (command.type) {
      case "burst":
        return await this.#burst(command.transactions);
      case "get": {
        const options = this.#revisionOption(command.back);
        return await this.#same((store) => store.get(command.key, options));
      }
      case "range": {
        const { type: _type, range, back, ...rest } = command;
        const options = { ...rest, ...this.#revisionOption(back) };
        return await this.#same((store) => store.range(range, options));
      }
      case "watch":
        return await this.#watch(command.range, this.#revision(command.back));
      case "compact": {
        const revision = this.#revision(command.back);
        return await this.#same((store) => store.compact(revision));
      }
      case "grant":
        return await this.#grant(command.ttlMs);
      case "keepAlive":
      case "revoke":
        return await this.#useLease(command.type, command.lease);
      case "advance":
        await this.#model.advance(command.durationMs);
        await this.#engine.advance(command.durationMs);
        return;
      case "reopen":
        this.#leases = [];
        await this.#model.reopen();
        await this.#engine.reopen();
        return;
    }
  }

  async finish(): Promise<void> {
    await this.#same((store) => store.range({ prefix: "" }));
    await this.#same(async (store) => {
      const { revision, compactedRevision, keys } = await store.status();
      return { revision, compactedRevision, keys };
    });
    await this.#watch({ prefix: "" }, this.#modelStore().history.compactedRevision + 1);
  }

  async dispose(): Promise<void> {
    await this.#model.dispose();
    await this.#engine.dispose();
  }

  async #burst(planned: readonly PlannedTransaction[]): Promise<void> {
    const transactions = planned.map((transaction) => this.#withLeases(transaction));
    const sent = transactions.map((each) => outcome(this.#engine.store.transact(each)));
    for (const [index, transaction] of transactions.entries()) {
      const expected = await outcome(this.#model.store.transact(transaction));
      assert.deepEqual(await sent[index], expected);
    }
  }

  async #watch(range: KeyRange, fromRevision: number): Promise<void> {
    const { history } = this.#modelStore();
    const expected = history.batchesFrom(fromRevision).filter((batch) => touches(batch, range));
    const count = Math.max(expected.length, fromRevision <= history.compactedRevision ? 1 : 0);
    await this.#same((store) => take(store, range, fromRevision, count));
  }

  async #grant(ttlMs: number): Promise<void> {
    const model = await this.#model.store.grantLease(ttlMs);
    const engine = await this.#engine.store.grantLease(ttlMs);
    assert.equal(engine.id, model.id);
    this.#leases.push({ model, engine });
    this.#lastLeaseId = model.id;
  }

  async #useLease(method: "keepAlive" | "revoke", place: number): Promise<void> {
    const pair = this.#leases[Math.floor(place * this.#leases.length)];
    if (pair === undefined) return;
    const expected = await outcome(pair.model[method]());
    assert.deepEqual(await outcome(pair.engine[method]()), expected);
  }

  async #same(work: (store: Store) => Promise<unknown>): Promise<void> {
    const expected = await outcome(work(this.#model.store));
    assert.deepEqual(await outcome(work(this.#engine.store)), expected);
  }

  #withLeases(planned: PlannedTransaction): Transaction {
    const leaseId = Math.ceil(planned.lease * this.#lastLeaseId);
    const choose = (operation: Operation) =>
      operation.type === "put" && operation.leaseId === CHOSEN_LEASE
        ? { ...operation, leaseId }
        : operation;
    const { guard, compare = [], success, failure = [] } = planned;
    const branches = { compare, success: success.map(choose), failure: failure.map(choose) };
    return guard === undefined ? branches : { guard, ...branches };
  }

  /** From the present one (0) back to before the first (1). */
  #revision(back: number): number {
    const { revision } = this.#modelStore().history;
    return Math.max(1, Math.round(revision - back * revision));
  }

  #revisionOption(back: number | undefined): { revision?: number } {
    return back === undefined ? {} : { revision: this.#revision(back) };
  }

  #modelStore(): MemoryStore {
    return this.#model.store as MemoryStore;
  }
}

/** An answer, or the code and text of an error. */
async function outcome(work: Promise<unknown>): Promise<unknown> {
  try {
    return { answer: await work };
  } catch (error) {
    if (!isMeshError(error)) throw error;
    return { code: error.code, message: error.message };
  }
}

function touches(batch: WatchBatch, range: KeyRange): boolean {
  const bounds = boundsOf(range);
  return batch.events.some((event) =>
    contains(bounds, event.type === "put" ? event.entry.key : event.key),
  );
}
