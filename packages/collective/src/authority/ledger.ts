/**
 * The one way in which the authority changes the store: read, decide, and write everything
 * together with an audit record in one transaction that compares what was read. Changes of this
 * process run one after the other; against other writers of the same store the transaction
 * decides, and a change that lost is decided anew from fresh reads.
 */
import { type Clock, limits, MeshError } from "@hearthmesh/core";
import type { Compare, Operation, Store } from "@hearthmesh/store";
import { type AuditHead, type AuditNote, EMPTY_AUDIT_HEAD, nextAuditRecord } from "./audit.js";
import { AUDIT_HEAD_KEY, auditKey } from "./authority-keys.js";
import { decodeRecord, encodeRecord, type Versioned } from "./records.js";
import { SerialQueue } from "./serial-queue.js";

export interface Change {
  /** What must still be as it was read. */
  readonly compare: readonly Compare[];
  readonly operations: readonly Operation[];
  readonly audit: AuditNote;
}

/** What a change came to. Without `change`, everything is already as it should be. */
export interface Decision<T> {
  readonly result: T;
  readonly change?: Change;
}

/** A record with the revision that it was read at; 0 when it is not there. */
export interface Versionable<T> {
  readonly record: T | undefined;
  readonly modRevision: number;
}

export interface LedgerOptions {
  store: Store;
  clock: Clock;
  /** Told of every change after it is durable and before its caller is. */
  onCommitted: (operations: readonly Operation[], revision: number) => void;
}

export class Ledger {
  readonly #store: Store;
  readonly #clock: Clock;
  readonly #onCommitted: LedgerOptions["onCommitted"];
  readonly #queue = new SerialQueue(limits.AUTHORITY_QUEUE_MAX);

  constructor(options: LedgerOptions) {
    this.#store = options.store;
    this.#clock = options.clock;
    this.#onCommitted = options.onCommitted;
  }

  async read<T extends Versioned>(key: string): Promise<Versionable<T>> {
    const entry = await this.#store.get(key);
    if (entry === undefined) return { record: undefined, modRevision: 0 };
    return { record: decodeRecord<T>(entry), modRevision: entry.modRevision };
  }

  /**
   * Runs `decide`, perhaps several times, and writes what it says. Its errors pass through, and
   * then nothing was written. `MESH_STORE_BUSY` after `AUTHORITY_ATTEMPTS_MAX` conflicts.
   */
  change<T>(decide: () => Promise<Decision<T>>): Promise<T> {
    return this.#queue.run(async () => {
      for (let attempt = 0; attempt < limits.AUTHORITY_ATTEMPTS_MAX; attempt++) {
        const { result, change } = await decide();
        if (change === undefined || (await this.#commit(change))) return result;
      }
      throw new MeshError("MESH_STORE_BUSY", { message: "others keep changing the same records" });
    });
  }

  async #commit(change: Change): Promise<boolean> {
    const previous = await this.read<AuditHead>(AUDIT_HEAD_KEY);
    const next = nextAuditRecord(
      previous.record ?? EMPTY_AUDIT_HEAD,
      change.audit,
      this.#clock.nowMs(),
    );
    const operations: Operation[] = [
      ...change.operations,
      put(auditKey(next.record.sequence), next.record),
      put(AUDIT_HEAD_KEY, next.head),
    ];
    const forgotten = next.record.sequence - limits.AUDIT_RECORDS_MAX;
    if (forgotten > 0) operations.push({ type: "delete", key: auditKey(forgotten) });
    const { succeeded, revision } = await this.#store.transact({
      compare: [...change.compare, unchanged(AUDIT_HEAD_KEY, previous)],
      success: operations,
    });
    if (succeeded) this.#onCommitted(operations, revision);
    return succeeded;
  }
}

export function put(key: string, record: Versioned): Operation {
  return { type: "put", key, value: encodeRecord(record) };
}

/** Holds while nobody wrote the key since it was read. */
export function unchanged(key: string, read: Versionable<unknown>): Compare {
  return { key, target: "modRevision", is: "=", value: read.modRevision };
}
