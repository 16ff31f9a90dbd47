/** Invocations of a history as calls of a `Store`, and what it answers as fields of an event. */
import { isMeshError } from "@hearthmesh/core";
import type {
  Compare,
  KeyValue,
  Lease,
  Operation,
  Store,
  StoreEvent,
  Transaction,
} from "../../types.js";
import { atomicCall, type Step } from "./atomic-calls.js";
import type {
  ClientEvent,
  HistoryBatch,
  HistoryChange,
  HistoryCompare,
  HistoryResult,
} from "./format.js";

/** What a client wants, before it has a process and a time. */
export type Invocation = Omit<ClientEvent, "process" | "type" | "time">;
export type Answer = Partial<Invocation>;

const encoder = new TextEncoder();
const decoder = new TextDecoder();
const textOf = (value: Uint8Array) => decoder.decode(value);

/** What a recording uses of a store. */
export type RecordedStore = Pick<Store, "get" | "range" | "transact" | "grantLease" | "watch">;

/** Leases by their id: only the client that was granted one can use it. */
export type Leases = Map<number, Lease>;

/** All but watches. Rejects as the store does. */
export async function perform(
  store: RecordedStore,
  invocation: Invocation,
  leases: Leases,
): Promise<Answer> {
  const { op, key = "", lease = 0 } = invocation;
  switch (op) {
    case "get":
      return readFields(await store.get(key));
    case "range": {
      const { entries, revision } = await store.range({ prefix: invocation.prefix ?? "" });
      const found = entries.map((entry) => ({
        key: entry.key,
        value: textOf(entry.value),
        modRevision: entry.modRevision,
      }));
      return { entries: found, revision };
    }
    case "grant": {
      const granted = await store.grantLease(invocation.ttlMs ?? 0);
      leases.set(granted.id, granted);
      return { lease: granted.id };
    }
    case "keepAlive":
      await leases.get(lease)?.keepAlive();
      return {};
    case "revoke":
      await leases.get(lease)?.revoke();
      return {};
    default:
      return transact(store, invocation);
  }
}

/** The same transaction that the checker takes the invocation for. */
async function transact(store: RecordedStore, invocation: Invocation): Promise<Answer> {
  const plan = atomicCall({
    id: 0,
    process: 0,
    outcome: "info",
    startUs: 0,
    endUs: 0,
    invoke: { ...invocation, process: 0, type: "invoke", time: 0 },
    answer: undefined,
  });
  const operations = (steps: readonly Step[] = []) =>
    steps.map((step) => operationOf(step, invocation.lease));
  const compare = (plan?.compare ?? []).map(compareOf);
  const [guard] = invocation.guard === true ? compare : [];
  const transaction: Transaction = {
    ...(guard === undefined ? { compare } : { guard }),
    success: operations(plan?.success),
    failure: operations(plan?.failure),
  };
  const { succeeded, revision, results } = await store.transact(transaction);
  const { op } = invocation;
  if (op === "put") return { revision };
  const [first] = results;
  if (op === "delete") return { revision, deleted: first?.type === "delete" ? first.deleted : 0 };
  if (op !== "txn") return { revision, succeeded };
  const told = results.map((result): HistoryResult => {
    if (result.type === "get") return readFields(result.entry);
    return result.type === "delete" ? { deleted: result.deleted } : {};
  });
  return { revision, succeeded, results: told };
}

function readFields(entry: KeyValue | undefined): { value: string | null; modRevision: number } {
  if (entry === undefined) return { value: null, modRevision: 0 };
  return { value: textOf(entry.value), modRevision: entry.modRevision };
}

function operationOf(step: Step, leaseId: number | undefined): Operation {
  if (step.type === "range") throw new Error("a range is no step of a transaction");
  const { key } = step;
  if (step.type !== "put") return { type: step.type, key };
  const value = encoder.encode(step.value ?? "");
  return leaseId === undefined ? { type: "put", key, value } : { type: "put", key, value, leaseId };
}

function compareOf({ key, value, modRevision, createRevision }: HistoryCompare): Compare {
  if (value === null) return { key, target: "version", is: "=", value: 0 };
  if (value !== undefined) return { key, target: "value", is: "=", value: encoder.encode(value) };
  if (modRevision !== undefined) {
    return { key, target: "modRevision", is: "=", value: modRevision };
  }
  return { key, target: "createRevision", is: "=", value: createRevision ?? 0 };
}

export interface WatchLimits {
  readonly signal: AbortSignal;
  /** It ends after the batch of this revision, or of a later one. */
  readonly untilRevision: () => number;
  readonly batchesMax: number;
  readonly nowUs: () => number;
}

/** Adds to `batches` as they come, so that they are there when it rejects. */
export async function performWatch(
  store: RecordedStore,
  invocation: Invocation,
  batches: HistoryBatch[],
  { signal, untilRevision, batchesMax, nowUs }: WatchLimits,
): Promise<void> {
  const { prefix = "", fromRevision = 0 } = invocation;
  for await (const batch of store.watch({ prefix }, { fromRevision, signal })) {
    const events = batch.events.map(changeOf);
    batches.push({ revision: batch.revision, time: nowUs(), events });
    if (batches.length >= batchesMax || batch.revision >= untilRevision()) return;
  }
}

function changeOf(event: StoreEvent): HistoryChange {
  if (event.type === "delete") return { type: "delete", key: event.key };
  return { type: "put", key: event.entry.key, value: textOf(event.entry.value) };
}

/**
 * Codes after which nothing happened and nothing will. After any other one a write may have
 * happened, or may still.
 */
const NOTHING_HAPPENED: ReadonlySet<string> = new Set([
  "MESH_BAD_REQUEST",
  "MESH_DISK_FULL",
  "MESH_EPOCH_OLD",
  "MESH_LIMIT",
  "MESH_STORE_BUSY",
  "MESH_STORE_CLOSED",
  "MESH_STORE_COMPACTED",
  "MESH_STORE_FUTURE_REVISION",
  "MESH_STORE_KEY_INVALID",
  "MESH_STORE_LEASE_UNKNOWN",
  "MESH_STORE_NO_SPACE",
  "MESH_STORE_TXN_TOO_LARGE",
  "MESH_STORE_UNAVAILABLE",
  "MESH_STORE_VALUE_TOO_LARGE",
]);

const READS: ReadonlySet<string> = new Set(["get", "range", "watch"]);

/** How a call ended that rejected. A read that failed has happened to nobody. */
export function outcomeOf(op: string, error: unknown): { type: "fail" | "info"; error: string } {
  const code = isMeshError(error) ? error.code : String(error);
  const isOver = READS.has(op) || NOTHING_HAPPENED.has(code);
  return { type: isOver ? "fail" : "info", error: code };
}
