/**
 * What of a caller's request goes to a service. Connection-specific fields stay behind (RFC 9110,
 * 7.6.1), as do the credentials that the mesh itself was shown: `X-API-Key` and everything that
 * begins with `X-Mesh-`. `Authorization` is between the caller and the service and goes on.
 *
 * `Forwarded` (RFC 7239), `X-Forwarded-*` and `Via` are set. What a caller claims in them goes on
 * only when the caller is on this machine, where a reverse proxy may stand before the node.
 */
import type { IncomingHttpHeaders, IncomingMessage } from "node:http";
import { MeshError } from "@hearthmesh/core";
import { isLoopbackAddress } from "../plain/listen.js";
import { FORWARDED_BYTES_MAX, OWN_HOPS_MAX, PROXY_HEAD_BYTES_MAX } from "./limits.js";
import type { RequestBody } from "./request-body.js";
import type { TraceContext } from "./trace-context.js";

export interface RequestHeadOptions {
  readonly request: IncomingMessage;
  /** In origin form, with the query. */
  readonly path: string;
  readonly body: RequestBody["length"];
  readonly trace: TraceContext;
  /** This node in `Via`. */
  readonly pseudonym: string;
  readonly principal: string | undefined;
  /** Asks the service whether it wants the body. */
  readonly expectContinue: boolean;
  /** The protocol that the connection should change to. */
  readonly upgrade: string | undefined;
}

const STAY_BEHIND: ReadonlySet<string> = new Set([
  "connection",
  "content-length",
  "expect",
  "forwarded",
  "host",
  "http2-settings",
  "keep-alive",
  "proxy-authenticate",
  "proxy-authorization",
  "proxy-connection",
  "te",
  "traceparent",
  "tracestate",
  "trailer",
  "transfer-encoding",
  "upgrade",
  "via",
  "x-api-key",
  "x-forwarded-for",
  "x-forwarded-host",
  "x-forwarded-port",
  "x-forwarded-proto",
  "x-forwarded-server",
  "x-real-ip",
  "x-request-id",
]);
const NO_HEADERS: IncomingHttpHeaders = {};
const NO_NAMES: ReadonlySet<string> = new Set();
/** Printable ASCII without spaces; Node's parser lets more through. */
const ORIGIN_FORM = /^\/[\x21-\x7e]*$/;
/** No control character but the tab, and nothing beyond Latin-1. */
const VALUE = /^[\t\x20-\x7e\x80-\xff]*$/;

/**
 * The head but for `Host` and the final CRLF; that of one candidate differs from another's by its
 * `Host` alone. Throws `MESH_BAD_REQUEST`, and `MESH_SERVICE_UNAVAILABLE` for a request that goes
 * in a circle.
 */
export function requestHead(options: RequestHeadOptions): string {
  const { request, path, trace } = options;
  if (!ORIGIN_FORM.test(path)) {
    throw new MeshError("MESH_BAD_REQUEST", {
      message: "the path has characters that must be percent-encoded",
    });
  }
  let head = `${request.method ?? "GET"} ${path} HTTP/1.1\r\n`;
  const named = namedByConnection(request.headers.connection);
  const { rawHeaders } = request;
  for (let at = 0; at < rawHeaders.length; at += 2) {
    const name = rawHeaders[at] ?? "";
    const lower = name.toLowerCase();
    if (STAY_BEHIND.has(lower) || named.has(lower) || lower.startsWith("x-mesh-")) continue;
    head += `${name}: ${rawHeaders[at + 1] ?? ""}\r\n`;
  }
  head += framingLines(options);
  head += forwardedLines(options);
  head += `X-Request-Id: ${trace.requestId}\r\nTraceparent: ${trace.traceparent}\r\n`;
  if (trace.tracestate !== undefined) head += `Tracestate: ${trace.tracestate}\r\n`;
  if (options.principal !== undefined && VALUE.test(options.principal)) {
    head += `X-Mesh-Principal: ${options.principal}\r\n`;
  }
  if (head.length > PROXY_HEAD_BYTES_MAX) {
    throw new MeshError("MESH_BAD_REQUEST", { message: "the headers of the request are too long" });
  }
  return head;
}

/** Fields that the caller's `Connection` names are for the next hop alone, which is this node. */
export function namedByConnection(connection: string | undefined): ReadonlySet<string> {
  if (connection === undefined || connection === "keep-alive" || connection === "close") {
    return NO_NAMES;
  }
  return new Set(connection.split(",").map((name) => name.trim().toLowerCase()));
}

function framingLines({ request, body, expectContinue, upgrade }: RequestHeadOptions): string {
  let lines = "";
  if (typeof body === "number") lines += `Content-Length: ${body}\r\n`;
  else if (body === "chunked") lines += "Transfer-Encoding: chunked\r\n";
  if (body === "chunked" && request.headers.trailer !== undefined) {
    lines += `Trailer: ${request.headers.trailer}\r\n`;
  }
  if (expectContinue) lines += "Expect: 100-continue\r\n";
  if (upgrade !== undefined) return `${lines}Connection: Upgrade\r\nUpgrade: ${upgrade}\r\n`;
  const te = request.headers.te;
  const wantsTrailers = typeof te === "string" && /(?:^|,)\s*trailers\s*(?:,|$)/i.test(te);
  return wantsTrailers ? `${lines}Connection: TE\r\nTE: trailers\r\n` : lines;
}

function forwardedLines({ request, pseudonym }: RequestHeadOptions): string {
  const { headers, socket } = request;
  const address = socket.remoteAddress ?? "unknown";
  const proto = (socket as { encrypted?: boolean }).encrypted === true ? "https" : "http";
  const host = headers.host !== undefined && HOST.test(headers.host) ? headers.host : undefined;
  const claims = isLoopbackAddress(address) ? headers : NO_HEADERS;
  const node = address.includes(":") ? `"[${address}]"` : address;
  const own = `for=${node};proto=${proto}${host === undefined ? "" : `;host="${host}"`}`;
  let lines = `Forwarded: ${listed(claims.forwarded, own)}\r\n`;
  lines += `X-Forwarded-For: ${listed(claims["x-forwarded-for"], address)}\r\n`;
  lines += `X-Forwarded-Proto: ${fitting(claims["x-forwarded-proto"]) ?? proto}\r\n`;
  const shownHost = fitting(claims["x-forwarded-host"]) ?? host;
  if (shownHost !== undefined) lines += `X-Forwarded-Host: ${shownHost}\r\n`;
  return `${lines}Via: ${viaOf(headers.via, request.httpVersion, pseudonym)}\r\n`;
}

function listed(given: string | string[] | undefined, own: string): string {
  const before = fitting(given);
  return before === undefined ? own : `${before}, ${own}`;
}

function fitting(value: string | string[] | undefined): string | undefined {
  if (value === undefined) return undefined;
  const text = Array.isArray(value) ? value.join(", ") : value;
  return text !== "" && text.length <= FORWARDED_BYTES_MAX ? text : undefined;
}

/** `host`, `host:port`, `[v6]:port`: nothing that a quoted string would have to escape. */
const HOST = /^[A-Za-z0-9._:[\]-]{1,260}$/;

/** Adds this node. A request that has passed it too often goes in a circle. */
function viaOf(given: string | undefined, version: string, pseudonym: string): string {
  const own = `${version} ${pseudonym}`;
  if (given === undefined) return own;
  const hops = given.split(",").filter((hop) => hop.trim().split(/\s+/)[1] === pseudonym);
  if (hops.length < OWN_HOPS_MAX) return `${given}, ${own}`;
  throw new MeshError("MESH_SERVICE_UNAVAILABLE", {
    message: "the request goes in a circle: it has passed this node several times",
    hint: "A service of the mesh sends its requests back into the mesh; look at its settings.",
  });
}
