/** Names of a request that every program on its way can log: W3C trace context and request ids. */
import type { IncomingHttpHeaders } from "node:http";
import type { Random } from "@hearthmesh/core";
import { DrawnIds } from "../server/drawn-ids.js";
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

/** The id that a request has in every log. */
export function traceIdOf(traceparent: string): string {
  return traceparent.slice(3, 35);
}

/** Random bytes of one trace: its id and that of the parent. */
const TRACE_BYTES = 24;

export class TraceSource {
  readonly #ids: DrawnIds;

  constructor(random: Random) {
    this.#ids = new DrawnIds(random, TRACE_BYTES);
  }

  /** What came, where it is valid; else new ids. */
  of(headers: IncomingHttpHeaders): TraceContext {
    const given = headers["x-request-id"];
    const isGood =
      typeof given === "string" && given.length <= REQUEST_ID_BYTES_MAX && REQUEST_ID.test(given);
    const { traceparent, tracestate } = headers;
    if (typeof traceparent === "string" && TRACEPARENT.test(traceparent)) {
      const requestId = isGood ? given : traceIdOf(traceparent);
      const goesOn = typeof tracestate === "string" && tracestate.length <= TRACESTATE_BYTES_MAX;
      return { requestId, traceparent, tracestate: goesOn ? tracestate : undefined };
    }
    const made = this.#ids.next();
    const traceId = made.slice(0, 32);
    return {
      requestId: isGood ? given : traceId,
      // Sampled: whoever keeps traces decides for itself.
      traceparent: `00-${traceId}-${made.slice(32)}-01`,
      tracestate: undefined,
    };
  }
}
