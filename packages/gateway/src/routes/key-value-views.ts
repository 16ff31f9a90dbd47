/** Keys, leases and locks in the shapes of the contracts. */
import type {
  KeyChange,
  KeyCompare,
  KeyEntry,
  KeyOperation,
  KeyTransaction,
  KeyTransactionResult,
  KeyWritten,
  LockInfo,
} from "@hearthmesh/collective";
import type {
  KvChange,
  KvCompare,
  KvEntryView,
  KvOperation,
  KvTransactionRequest,
  KvTransactionResponse,
  KvWriteResponse,
  LockView,
} from "../contracts/index.js";
import { KV_HEADERS } from "../contracts/index.js";
import { etagOf } from "./key-value-conditions.js";

const base64 = (value: Uint8Array) =>
  Buffer.from(value.buffer, value.byteOffset, value.byteLength).toString("base64");
const fromBase64 = (text: string) => Buffer.from(text, "base64");

/** Headers of an answer about one key. */
export function keyHeaders(
  { modRevision, createRevision, version, leaseId }: Omit<KeyEntry, "key" | "value">,
  revision: number,
): Record<string, string> {
  return {
    etag: etagOf(modRevision),
    [KV_HEADERS.revision]: String(revision),
    [KV_HEADERS.createRevision]: String(createRevision),
    [KV_HEADERS.version]: String(version),
    ...(leaseId === 0 ? {} : { [KV_HEADERS.lease]: String(leaseId) }),
  };
}

export function keyEntryView(entry: KeyEntry, withValue: boolean): KvEntryView {
  const { key, value, modRevision, createRevision, version, leaseId } = entry;
  return {
    key,
    ...(withValue ? { valueBase64: base64(value) } : {}),
    modRevision,
    createRevision,
    version,
    ...(leaseId === 0 ? {} : { leaseId }),
  };
}

export function writtenView({ leaseId, ...written }: KeyWritten): KvWriteResponse {
  return leaseId === 0 ? written : { ...written, leaseId };
}

export function changeView({ revision, events }: KeyChange, withValues: boolean): KvChange {
  return {
    revision,
    events: events.map((event) =>
      event.type === "put"
        ? { type: "put", entry: keyEntryView(event.entry, withValues) }
        : { type: "delete", key: event.key },
    ),
  };
}

export function transactionOf(request: KvTransactionRequest): KeyTransaction {
  const { compare = [], success, failure = [], fence } = request;
  return {
    compare: compare.map(compareOf),
    success: success.map(operationOf),
    failure: failure.map(operationOf),
    ...(fence === undefined ? {} : { fence }),
  };
}

function compareOf(compare: KvCompare): KeyCompare {
  if (compare.target !== "value") return compare;
  const { valueBase64, ...rest } = compare;
  return { ...rest, value: fromBase64(valueBase64) };
}

function operationOf(operation: KvOperation): KeyOperation {
  if (operation.type !== "put") return operation;
  const { valueBase64, ...rest } = operation;
  return { ...rest, value: fromBase64(valueBase64) };
}

export function transactionView(result: KeyTransactionResult): KvTransactionResponse {
  const { succeeded, revision } = result;
  const results = result.results.map((item) => {
    if (item.type !== "get") return item;
    return {
      type: "get" as const,
      entry: item.entry === undefined ? null : keyEntryView(item.entry, true),
    };
  });
  return { succeeded, revision, results };
}

export function lockView({ name, held, waiting }: LockInfo): LockView {
  return { name, held: held ?? null, waiting };
}
