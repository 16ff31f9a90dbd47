/** Names of a request that every program on its way can log: W3C trace context and request ids. */
import type { IncomingHttpHeaders } from "node:http";
import type { Random } from "@hearthmesh/core";
import { REQUEST_ID_BYTES_MAX } from "./limits.js";

export interface TraceContext {
  readonly requestId: string;
  readonly traceparent: string;
  /** Goes on only beside the `traceparent` that it came with. */
  readonly tracestate: string | undefined;
}

/** Version 00 of https://www.w3.org/TR/trace-context/: ids of zeros are not valid. */
const TRACEPARENT = /^00-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}$/;
/** Harmless in any log. */
const REQUEST_ID = /^[A-Za-z0-9._:=+/-]+$/;
const TRACESTATE_BYTES_MAX = 512;

/** What came, where it is valid; else new ids. */
export function traceOf(headers: IncomingHttpHeaders, random: Random): TraceContext {
  const given = headers["x-request-id"];
  const kept = typeof given === "string" && given.length <= REQUEST_ID_BYTES_MAX;
  const { traceparent, tracestate } = headers;
  if (typeof traceparent === "string" && TRACEPARENT.test(traceparent)) {
    const requestId = kept && REQUEST_ID.test(given) ? given : traceparent.slice(3, 35);
    const goesOn = typeof tracestate === "string" && tracestate.length <= TRACESTATE_BYTES_MAX;
    return { requestId, traceparent, tracestate: goesOn ? tracestate : undefined };
  }
  const made = Buffer.from(random.bytes(24)).toString("hex");
  const traceId = made.slice(0, 32);
  return {
    requestId: kept && REQUEST_ID.test(given) ? given : traceId,
    // Sampled: whoever keeps traces decides for itself.
    traceparent: `00-${traceId}-${made.slice(32)}-01`,
    tracestate: undefined,
  };
}
