/**
 * The requests of membership on links. Each is a message of core (`u32 length | JSON | body`):
 *
 * - `mesh.exchange`: `{ kind: "summary", hash }`, body: the certificate of who asks, or nothing.
 *   Answer: `{ same: true }`, or `{ same: false }` with the summary of the answerer's view.
 * - `mesh.exchange`: `{ kind: "page", wanted: [nodeId], runs: [bytes] }`, body: claims, and as many
 *   certificates as `runs` has further entries. Answer: `{ runs: [bytes] }` and the same body.
 * - `mesh.certificates`: `{ nodeIds }`. Answer: `{ runs: [bytes] }`, body: certificates.
 * - `mesh.datagram`: the bytes of a datagram without a seal, for the link has sealed it already.
 */
import {
  decodeMessage,
  encodeMessage,
  MeshError,
  type NodeId,
  parseNodeId,
} from "@hearthmesh/core";
import { decodeClaims, encodeClaims } from "../datagram-codec.js";
import type { Claim } from "../swim/messages.js";
import {
  CERTIFICATE_BYTES_MAX,
  CERTIFICATES_PER_REQUEST_MAX,
  EXCHANGE_PAGE_NODES_MAX,
} from "./limits.js";

export const EXCHANGE_METHOD = "mesh.exchange";
export const CERTIFICATES_METHOD = "mesh.certificates";
export const DATAGRAM_METHOD = "mesh.datagram";

/** Claims about some nodes, with the certificates of those that the other side lacks. */
export interface ViewPage {
  readonly claims: readonly Claim[];
  readonly certificates: readonly Uint8Array[];
}

export type ExchangeRequest =
  | { readonly kind: "summary"; readonly hash: string; readonly certificate: Uint8Array }
  | ({ readonly kind: "page"; readonly wanted: readonly NodeId[] } & ViewPage);

/** What is looked at in a header; nothing of it is certain. */
interface Header {
  kind?: unknown;
  hash?: unknown;
  wanted?: unknown;
  runs?: unknown;
  same?: unknown;
  nodeIds?: unknown;
}

export function encodeSummaryRequest(hash: string, certificate: Uint8Array): Uint8Array[] {
  return encodeMessage({ kind: "summary", hash }, certificate);
}

export function encodePageRequest(wanted: readonly NodeId[], page: ViewPage): Uint8Array[] {
  const runs = runsOf(page);
  return encodeMessage({ kind: "page", wanted, runs: runs.map(({ length }) => length) }, runs);
}

/** Throws `MESH_PROTOCOL` or `MESH_BAD_REQUEST` for anything else. */
export function decodeExchangeRequest(bytes: Uint8Array): ExchangeRequest {
  const { header, body } = decodeMessage<Header>(bytes);
  if (header.kind === "summary") {
    if (typeof header.hash !== "string" || body.length > CERTIFICATE_BYTES_MAX) throw invalid();
    return { kind: "summary", hash: header.hash, certificate: body };
  }
  if (header.kind !== "page") throw invalid();
  const wanted = nodeIdsOf(header.wanted, EXCHANGE_PAGE_NODES_MAX);
  return { kind: "page", wanted, ...pageOf(header.runs, body) };
}

/** `undefined`: both views are the same. */
export function encodeSummaryAnswer(summary: Uint8Array | undefined): Uint8Array[] {
  return encodeMessage({ same: summary === undefined }, summary);
}

export function decodeSummaryAnswer(bytes: Uint8Array): Uint8Array | undefined {
  const { header, body } = decodeMessage<Header>(bytes);
  if (typeof header.same !== "boolean") throw invalid();
  return header.same ? undefined : body;
}

export function encodePage(page: ViewPage): Uint8Array[] {
  const runs = runsOf(page);
  return encodeMessage({ runs: runs.map(({ length }) => length) }, runs);
}

export function decodePage(bytes: Uint8Array): ViewPage {
  const { header, body } = decodeMessage<Header>(bytes);
  return pageOf(header.runs, body);
}

export function encodeCertificatesRequest(nodeIds: readonly NodeId[]): Uint8Array[] {
  return encodeMessage({ nodeIds });
}

export function decodeCertificatesRequest(bytes: Uint8Array): NodeId[] {
  return nodeIdsOf(decodeMessage<Header>(bytes).header.nodeIds, CERTIFICATES_PER_REQUEST_MAX);
}

export function encodeCertificates(certificates: readonly Uint8Array[]): Uint8Array[] {
  return encodeMessage({ runs: certificates.map(({ length }) => length) }, certificates);
}

export function decodeCertificates(bytes: Uint8Array): Uint8Array[] {
  const { header, body } = decodeMessage<Header>(bytes);
  return cut(header.runs, body, CERTIFICATES_PER_REQUEST_MAX);
}

function runsOf({ claims, certificates }: ViewPage): Uint8Array[] {
  return [encodeClaims(claims), ...certificates];
}

function pageOf(runs: unknown, body: Uint8Array): ViewPage {
  const [claims, ...certificates] = cut(runs, body, EXCHANGE_PAGE_NODES_MAX + 1);
  if (claims === undefined) throw invalid();
  if (certificates.some(({ length }) => length > CERTIFICATE_BYTES_MAX)) throw invalid();
  return { claims: decodeClaims(claims), certificates };
}

/** Views of the body, whose sizes fill it exactly. */
function cut(runs: unknown, body: Uint8Array, countMax: number): Uint8Array[] {
  if (!Array.isArray(runs) || runs.length > countMax) throw invalid();
  const pieces: Uint8Array[] = [];
  let at = 0;
  for (const length of runs) {
    if (!Number.isSafeInteger(length) || length < 0 || at + length > body.length) throw invalid();
    pieces.push(body.subarray(at, at + length));
    at += length;
  }
  if (at !== body.length) throw invalid();
  return pieces;
}

function nodeIdsOf(value: unknown, countMax: number): NodeId[] {
  if (!Array.isArray(value) || value.length > countMax) throw invalid();
  return value.map((item) => {
    if (typeof item !== "string") throw invalid();
    return parseNodeId(item);
  });
}

function invalid(): MeshError {
  return new MeshError("MESH_BAD_REQUEST", { message: "the message of membership is malformed" });
}
