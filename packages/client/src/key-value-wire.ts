/** Between the shapes of the HTTP API and those of a program. Pure. */
import { MeshError } from "@hearthmesh/core";
import type {
  KvChange,
  KvEntryView,
  KvOperationResult,
  KvTransactionRequest,
} from "@hearthmesh/gateway/contracts";
import type { HttpAnswer } from "./http-connection.js";
import type {
  Fence,
  KeyRecord,
  KeyValueChange,
  KeyValueEntry,
  Transaction,
  TransactionResult,
  Value,
} from "./key-value-types.js";

/** As `KV_HEADERS` and `keyValuePath` of the contracts, without loading those and their library. */
const HEADERS = {
  createRevision: "x-kv-create-revision",
  version: "x-kv-version",
  lease: "x-kv-lease",
} as const;

export function keyPath(key: string): string {
  return `/api/kv/${key.split("/").map(encodeURIComponent).join("/")}`;
}

export function bytesOf(value: Value): Uint8Array {
  return typeof value === "string" ? Buffer.from(value, "utf8") : value;
}

/** A duration as the API reads it. */
export function durationOf(ms: number | undefined): string | undefined {
  return ms === undefined ? undefined : `${Math.ceil(ms)}ms`;
}

export function fenceQuery(fence: Fence | undefined): { lock?: string; token?: number } {
  return fence === undefined ? {} : { lock: fence.lock, token: fence.token };
}

/** `12`, `"12"` and `*` to the value of If-Match (RFC 9110, 13.1.1). */
export function ifMatchHeader(etag: string): string {
  return etag === "*" ? "*" : `"${etag.replace(/^"|"$/g, "")}"`;
}

/** Of an answer about one key. Throws `MESH_PROTOCOL` when the headers are not ours. */
export function recordOfHeaders(key: string, { headers }: HttpAnswer): KeyRecord {
  const etag = /^"(\d+)"$/.exec(headers.etag ?? "")?.[1];
  const number = (name: string) => Number(headers[name] ?? Number.NaN);
  const createRevision = number(HEADERS.createRevision);
  const version = number(HEADERS.version);
  if (etag === undefined || Number.isNaN(createRevision) || Number.isNaN(version)) {
    throw new MeshError("MESH_PROTOCOL", { message: "the answer has no revision of the key" });
  }
  const leaseId = headers[HEADERS.lease];
  return {
    key,
    etag,
    revision: Number(etag),
    createRevision,
    version,
    ...(leaseId === undefined ? {} : { leaseId: Number(leaseId) }),
  };
}

export function entryOf(view: KvEntryView): KeyRecord & { value?: Uint8Array } {
  const { key, modRevision, createRevision, version, leaseId, valueBase64 } = view;
  return {
    key,
    etag: String(modRevision),
    revision: modRevision,
    createRevision,
    version,
    ...(leaseId === undefined ? {} : { leaseId }),
    ...(valueBase64 === undefined ? {} : { value: Buffer.from(valueBase64, "base64") }),
  };
}

function withValue(view: KvEntryView): KeyValueEntry {
  return { value: new Uint8Array(), ...entryOf(view) };
}

export function changeOf({ revision, events }: KvChange): KeyValueChange {
  return {
    revision,
    events: events.map((event) =>
      event.type === "put" ? { type: "put", entry: entryOf(event.entry) } : event,
    ),
  };
}

export function transactionRequest(transaction: Transaction): KvTransactionRequest {
  const { compare = [], success, failure = [], fence } = transaction;
  return {
    compare: compare.map(withBase64),
    success: success.map(withBase64),
    failure: failure.map(withBase64),
    ...(fence === undefined ? {} : { fence: { lock: fence.lock, token: fence.token } }),
  };
}

type WithBase64<Shape> = Shape extends { value: Value }
  ? Omit<Shape, "value"> & { valueBase64: string }
  : Shape;

/** The value as base64; a number that is compared with stays. */
function withBase64<Shape extends object>(shape: Shape): WithBase64<Shape> {
  const { value, ...rest } = shape as { value?: unknown };
  const isBytes = typeof value === "string" || value instanceof Uint8Array;
  if (!isBytes) return shape as WithBase64<Shape>;
  const valueBase64 = Buffer.from(bytesOf(value)).toString("base64");
  return { ...rest, valueBase64 } as WithBase64<Shape>;
}

export function resultOf(result: KvOperationResult): TransactionResult {
  if (result.type !== "get") return result;
  return { type: "get", entry: result.entry === null ? undefined : withValue(result.entry) };
}
