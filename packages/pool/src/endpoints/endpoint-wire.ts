/**
 * What nodes of one member say to each other about endpoints, on links. From other machines: each
 * field is looked at.
 *
 * - `endpoint.list`: nothing there; `{ v: 1, endpoints: [...] }` back.
 * - `endpoint.send`: a stream. Header `{ v: 1, endpoint, operation, model, bytes }`, then the body
 *   of so many bytes. Back: `u32 length, big-endian | JSON { status, contentType, retryAfterMs }`,
 *   then the bytes of the answer as they come. An error resets the stream.
 */
import { MeshError, type NodeId } from "@hearthmesh/core";
import { isModelName } from "./endpoint-record.js";
import type { EndpointKind, EndpointOperation, EndpointView } from "./endpoint-service.js";
import {
  ENDPOINT_LIST_BYTES_MAX,
  ENDPOINT_MODELS_MAX,
  ENDPOINT_NAME_BYTES_MAX,
  ENDPOINT_REQUEST_BYTES_MAX,
  ENDPOINT_REQUESTS_AT_ONCE_MAX,
  ENDPOINT_STREAM_HEADER_BYTES_MAX,
  ENDPOINTS_PER_NODE_MAX,
} from "./limits.js";

export const ENDPOINT_METHODS = { list: "endpoint.list", send: "endpoint.send" } as const;

export interface SendHeader {
  readonly endpoint: string;
  readonly operation: EndpointOperation;
  readonly model: string;
  readonly bytes: number;
}

export interface AnswerHead {
  readonly status: number;
  readonly contentType: string;
  readonly retryAfterMs: number | undefined;
}

/** Who offers it is known by the link, and is not repeated. */
export type AnnouncedEndpoint = Pick<
  EndpointView,
  "name" | "kind" | "health" | "reason" | "models" | "requests" | "requestsAtOnce"
>;

const HEAD_PREFIX_BYTES = 4;
const REASON_CHARACTERS_MAX = 500;
const CONTENT_TYPE_CHARACTERS_MAX = 256;
const RETRY_AFTER_MS_MAX = 3_600_000;

export function encodeList(views: readonly EndpointView[]): Uint8Array {
  const endpoints = views.map(
    ({ name, kind, health, reason, models, requests, requestsAtOnce }): AnnouncedEndpoint => ({
      name,
      kind,
      health,
      reason: reason?.slice(0, REASON_CHARACTERS_MAX),
      models,
      requests,
      requestsAtOnce,
    }),
  );
  return bytesOf({ v: 1, endpoints });
}

/** `MESH_PROTOCOL`. */
export function decodeList(bytes: Uint8Array): readonly AnnouncedEndpoint[] {
  const { endpoints } = parse(bytes, ENDPOINT_LIST_BYTES_MAX);
  if (!Array.isArray(endpoints) || endpoints.length > ENDPOINTS_PER_NODE_MAX) throw invalid();
  return endpoints.map((one) => announced((one ?? {}) as Record<string, unknown>));
}

export function viewOf(
  endpoint: AnnouncedEndpoint,
  node: { readonly nodeId: NodeId; readonly name: string; readonly costMs: number | undefined },
): EndpointView {
  return {
    ...endpoint,
    nodeId: node.nodeId,
    nodeName: node.name,
    costMs: node.costMs,
    isLocal: false,
    url: undefined,
    hasKey: undefined,
  };
}

export function encodeSendHeader(header: SendHeader): Uint8Array {
  return bytesOf({ v: 1, ...header });
}

/** `MESH_PROTOCOL`, `MESH_BODY_TOO_LARGE`. */
export function decodeSendHeader(input: Uint8Array): SendHeader {
  const fields = parse(input, ENDPOINT_STREAM_HEADER_BYTES_MAX);
  const { endpoint, operation, model, bytes } = fields;
  const isOperation = operation === "chat" || operation === "completion";
  if (!isText(endpoint, ENDPOINT_NAME_BYTES_MAX) || !isOperation || !isModelName(model)) {
    throw invalid();
  }
  if (!isCount(bytes, ENDPOINT_REQUEST_BYTES_MAX)) throw new MeshError("MESH_BODY_TOO_LARGE");
  return { endpoint, operation, model, bytes };
}

export function encodeAnswerHead(head: AnswerHead): Uint8Array {
  const { status, contentType, retryAfterMs } = head;
  const json = bytesOf({
    status,
    contentType: contentType.slice(0, CONTENT_TYPE_CHARACTERS_MAX),
    ...(retryAfterMs === undefined ? {} : { retryAfterMs }),
  });
  const prefix = Buffer.alloc(HEAD_PREFIX_BYTES);
  prefix.writeUInt32BE(json.length, 0);
  return Buffer.concat([prefix, json]);
}

/** Undefined while not all of it is there. `MESH_PROTOCOL`. */
export function decodeAnswerHead(
  bytes: Buffer,
): { readonly head: AnswerHead; readonly rest: Uint8Array } | undefined {
  if (bytes.length < HEAD_PREFIX_BYTES) return undefined;
  const end = HEAD_PREFIX_BYTES + bytes.readUInt32BE(0);
  if (end > ENDPOINT_STREAM_HEADER_BYTES_MAX) throw invalid();
  if (bytes.length < end) return undefined;
  const fields = parse(bytes.subarray(HEAD_PREFIX_BYTES, end), ENDPOINT_STREAM_HEADER_BYTES_MAX);
  const { status, contentType, retryAfterMs } = fields;
  if (!isCount(status, 599) || !isText(contentType, CONTENT_TYPE_CHARACTERS_MAX)) throw invalid();
  const retry = isCount(retryAfterMs, RETRY_AFTER_MS_MAX) ? retryAfterMs : undefined;
  return { head: { status, contentType, retryAfterMs: retry }, rest: bytes.subarray(end) };
}

const KINDS: readonly EndpointKind[] = ["ollama", "llamacpp", "vllm", "openai"];
const HEALTHS: readonly EndpointView["health"][] = ["ok", "failing", "unknown"];

function announced(given: Record<string, unknown>): AnnouncedEndpoint {
  const { name, models, requests, requestsAtOnce, reason } = given;
  const kind = KINDS.find((one) => one === given.kind);
  const health = HEALTHS.find((one) => one === given.health);
  if (!isText(name, ENDPOINT_NAME_BYTES_MAX) || kind === undefined || health === undefined) {
    throw invalid();
  }
  if (!Array.isArray(models) || models.length > ENDPOINT_MODELS_MAX) throw invalid();
  const atOnceMax = ENDPOINT_REQUESTS_AT_ONCE_MAX;
  if (!isCount(requests, atOnceMax) || !isCount(requestsAtOnce, atOnceMax)) throw invalid();
  return {
    name,
    kind,
    health,
    reason: isText(reason, REASON_CHARACTERS_MAX) ? reason : undefined,
    models: models.filter(isModelName),
    requests,
    requestsAtOnce: Math.max(1, requestsAtOnce),
  };
}

function isText(value: unknown, max: number): value is string {
  return typeof value === "string" && value.length <= max;
}

function isCount(value: unknown, max: number): value is number {
  return Number.isInteger(value) && (value as number) >= 0 && (value as number) <= max;
}

function bytesOf(value: object): Uint8Array {
  return Buffer.from(JSON.stringify(value), "utf8");
}

function parse(bytes: Uint8Array, bytesMax: number): Record<string, unknown> {
  if (bytes.length > bytesMax) throw invalid();
  try {
    const value: unknown = JSON.parse(Buffer.from(bytes).toString("utf8"));
    if (typeof value === "object" && value !== null) return value as Record<string, unknown>;
  } catch {
    // The one error below says it.
  }
  throw invalid();
}

function invalid(): MeshError {
  return new MeshError("MESH_PROTOCOL", { message: "a message about endpoints is not valid" });
}
