/** One transaction on the memory engine: every operation sees those before it. */
import { compareHolds } from "../compare.js";
import { boundsOf } from "../keys.js";
import type {
  KeyRange,
  KeyValue,
  Operation,
  OperationResult,
  StoreEvent,
  Transaction,
  TransactionResult,
} from "../types.js";
import { guardError, refuseFullLease, refuseLargeDeletion } from "../validate.js";
import type { MemoryHistory } from "./history.js";

export class MemoryTransaction {
  readonly #history: MemoryHistory;
  readonly #events: StoreEvent[] = [];
  /** What this transaction wrote; `undefined` is a deletion. */
  readonly #written = new Map<string, KeyValue | undefined>();

  constructor(history: MemoryHistory) {
    this.#history = history;
  }

  /** `mustBeAlive` throws for a lease that has ended. Nothing is changed when anything throws. */
  run(transaction: Transaction, mustBeAlive: (leaseId: number) => void): TransactionResult {
    const { guard } = transaction;
    if (guard !== undefined && !compareHolds(guard, this.#history.entryAt(guard.key))) {
      throw guardError(guard);
    }
    const succeeded = (transaction.compare ?? []).every((compare) =>
      compareHolds(compare, this.#history.entryAt(compare.key)),
    );
    const branch = succeeded ? transaction.success : (transaction.failure ?? []);
    this.#check(branch, mustBeAlive);
    const results = branch.map((operation) => this.#apply(operation));
    this.commit();
    return { succeeded, revision: this.#history.revision, results };
  }

  delete(key: string): number {
    const previous = this.#entry(key);
    if (previous === undefined) return 0;
    this.#written.set(key, undefined);
    const modRevision = this.#history.revision + 1;
    this.#events.push({ type: "delete", key, modRevision, previous });
    return 1;
  }

  /** The revision goes up by one when anything was changed. */
  commit(): void {
    if (this.#events.length > 0) this.#history.append(this.#events);
  }

  #check(branch: readonly Operation[], mustBeAlive: (leaseId: number) => void): void {
    let deleted = 0;
    const newKeys = new Map<number, number>();
    for (const operation of branch) {
      if (operation.type === "deleteRange") {
        deleted += this.#history.entriesAt(boundsOf(operation.range)).length;
        refuseLargeDeletion(deleted);
      } else if (operation.type === "put" && (operation.leaseId ?? 0) !== 0) {
        const leaseId = operation.leaseId ?? 0;
        mustBeAlive(leaseId);
        if (this.#history.entryAt(operation.key)?.leaseId === leaseId) continue;
        newKeys.set(leaseId, (newKeys.get(leaseId) ?? 0) + 1);
      }
    }
    for (const [leaseId, count] of newKeys) {
      refuseFullLease(leaseId, keysOfLease(this.#history, leaseId).length + count);
    }
  }

  #apply(operation: Operation): OperationResult {
    switch (operation.type) {
      case "get":
        return { type: "get", entry: this.#entry(operation.key) };
      case "put":
        this.#put(operation.key, operation.value, operation.leaseId ?? 0);
        return { type: "put" };
      case "delete":
        return { type: "delete", deleted: this.delete(operation.key) };
      case "deleteRange":
        return { type: "delete", deleted: this.#deleteRange(operation.range) };
    }
  }

  #put(key: string, value: Uint8Array, leaseId: number): void {
    const previous = this.#entry(key);
    const revision = this.#history.revision + 1;
    const entry: KeyValue = {
      key,
      value: value.slice(),
      createRevision: previous?.createRevision ?? revision,
      modRevision: revision,
      version: (previous?.version ?? 0) + 1,
      leaseId,
    };
    this.#written.set(key, entry);
    this.#events.push({ type: "put", entry, previous });
  }

  #deleteRange(range: KeyRange): number {
    const entries = this.#history.entriesAt(boundsOf(range));
    return entries.reduce((count, entry) => count + this.delete(entry.key), 0);
  }

  #entry(key: string): KeyValue | undefined {
    return this.#written.has(key) ? this.#written.get(key) : this.#history.entryAt(key);
  }
}

export function keysOfLease(history: MemoryHistory, leaseId: number): string[] {
  return history
    .entriesAt({ start: "", end: undefined })
    .filter((entry) => entry.leaseId === leaseId)
    .map((entry) => entry.key);
}
