/**
 * What of a service's answer goes to the caller. Connection-specific fields stay behind, and those
 * by which a service would speak for the node's whole origin: its pages come from the same origin
 * as the node's own, where the operator is at home, so that `Content-Security-Policy: sandbox`
 * gives them an origin of their own and what would reach beyond a page is left out.
 */
import type { ServiceCandidate } from "@hearthmesh/membership";
import { namedByConnection } from "./request-head.js";
import type { ResponseHead } from "./response-head.js";
import type { TraceContext } from "./trace-context.js";

const STAY_BEHIND: ReadonlySet<string> = new Set([
  "alt-svc",
  "clear-site-data",
  "connection",
  "keep-alive",
  "nel",
  "proxy-authenticate",
  "proxy-authentication-info",
  "proxy-connection",
  "report-to",
  "service-worker-allowed",
  "strict-transport-security",
  "te",
  "transfer-encoding",
  "upgrade",
  "via",
  "x-request-id",
]);

const PAGE_SANDBOX = "sandbox allow-downloads allow-forms allow-popups allow-scripts";

export interface AnswerHeadOptions {
  readonly head: ResponseHead;
  readonly candidate: ServiceCandidate;
  readonly trace: TraceContext;
  /** This node in `Via`. */
  readonly pseudonym: string;
}

/** Names and values in turn, for `writeHead`. */
export function answerHeaders(options: AnswerHeadOptions): string[] {
  const { head, candidate, trace, pseudonym } = options;
  const { lines } = head;
  const connection = valuesOf(lines, "connection").join(",");
  const named = namedByConnection(connection === "" ? undefined : connection);
  const result: string[] = [];
  let via = "";
  for (let at = 0; at < lines.length; at += 2) {
    const name = lines[at] ?? "";
    const value = lines[at + 1] ?? "";
    const lower = name.toLowerCase();
    if (lower === "via") via += `${value}, `;
    if (STAY_BEHIND.has(lower) || named.has(lower) || lower.startsWith("x-mesh-")) continue;
    // A trailer can only be announced where it can be sent.
    if (lower === "trailer" && head.bodyLength !== "chunked") continue;
    if (lower === "content-length" && head.bodyLength === "chunked") continue;
    result.push(name, value);
  }
  result.push(
    "Via",
    `${via}1.1 ${pseudonym}`,
    "X-Request-Id",
    trace.requestId,
    "X-Mesh-Node",
    candidate.nodeName,
    "X-Mesh-Service",
    candidate.service,
    "Content-Security-Policy",
    PAGE_SANDBOX,
  );
  return result;
}

function valuesOf(lines: readonly string[], wanted: string): string[] {
  const values: string[] = [];
  for (let at = 0; at < lines.length; at += 2) {
    const name = lines[at] ?? "";
    if (name.length === wanted.length && name.toLowerCase() === wanted) {
      values.push(lines[at + 1] ?? "");
    }
  }
  return values;
}
