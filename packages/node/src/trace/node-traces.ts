/**
 * Which request the work under way is for: begun at an HTTP door or by a link, seen by the log and
 * links that are used meanwhile. It is the one place with an `AsyncLocalStorage`: parts below know
 * nothing of it, and are handed a logger and links that do.
 *
 * A trace ends with its request: what a request has set going, such as a worker or a loop that
 * dials again, does not carry its id for ever. While none is under way the storage is off, for it
 * costs every promise of the process: in Node 20 each is then seen by a hook.
 *
 * On a link it is 25 bytes, the binary form of W3C Trace Context without its version: trace id
 * (16), parent id (8), flags (1).
 */
import { AsyncLocalStorage } from "node:async_hooks";
import type { RequestTraces, TraceScope } from "@hearthmesh/gateway";
import { traceIdOf } from "@hearthmesh/gateway/plain";
import type { LinkTraces } from "@hearthmesh/qwormhole";

const TRACE_ID_BYTES = 16;
const TRACE_BYTES = 25;

/** Either form is made of the other when it is asked for: most requests use no link. */
class Trace {
  readonly #traceparent: string | undefined;
  #bytes: Uint8Array | undefined;
  isOver = false;

  constructor(from: string | Uint8Array) {
    if (typeof from === "string") this.#traceparent = from;
    else this.#bytes = from;
  }

  get traceId(): string {
    if (this.#traceparent !== undefined) return traceIdOf(this.#traceparent);
    const { buffer, byteOffset } = this.bytes;
    return Buffer.from(buffer, byteOffset, TRACE_ID_BYTES).toString("hex");
  }

  get bytes(): Uint8Array {
    const digits = () => this.#traceparent?.slice(3).replaceAll("-", "") ?? "";
    this.#bytes ??= Buffer.from(digits(), "hex");
    return this.#bytes;
  }
}

export class NodeTraces implements RequestTraces {
  readonly #storage = new AsyncLocalStorage<Trace>();
  #underWay = 0;

  /** Of the request that the present work is for. */
  get traceId(): string | undefined {
    return this.#current()?.traceId;
  }

  /** A request at a door. The traceparent is a valid one: `TraceSource` makes or checks it. */
  begin(traceparent: string): TraceScope {
    const trace = this.#begin(traceparent);
    return {
      run: (work) => (trace.isOver ? work() : this.#storage.run(trace, work)),
      end: () => this.#end(trace),
    };
  }

  readonly links: LinkTraces = {
    current: () => this.#current()?.bytes,
    run: (bytes, work) => {
      // The peer chose them: what is not of the form is not known here.
      if (bytes.length !== TRACE_BYTES) return work();
      const trace = this.#begin(bytes);
      const end = () => this.#end(trace);
      let result: ReturnType<typeof work> | undefined;
      try {
        result = this.#storage.run(trace, work);
        return result;
      } finally {
        if (result instanceof Promise) result.then(end, end);
        else end();
      }
    },
  };

  #begin(from: string | Uint8Array): Trace {
    this.#underWay++;
    return new Trace(from);
  }

  #end(trace: Trace): void {
    if (trace.isOver) return;
    trace.isOver = true;
    this.#underWay--;
    // Nobody sees a difference: every trace that is remembered anywhere is over.
    if (this.#underWay === 0) this.#storage.disable();
  }

  #current(): Trace | undefined {
    const trace = this.#storage.getStore();
    return trace?.isOver === true ? undefined : trace;
  }
}
