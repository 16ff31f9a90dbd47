/**
 * TRACE frames: bytes that go right before a REQ or STREAM_OPEN, in a frame of their own that an
 * older peer skips. The channel is the number of the request or stream; the first byte of the
 * payload says which of the two.
 */
import { FrameType, varintBytes, writeFrameHeader } from "./frames.js";
import { TRACE_BYTES_MAX, TRACES_WAITING_MAX } from "./limits.js";
import type { LinkTraces } from "./link.js";
import type { Outbox } from "./outbox.js";

const REQUEST = 0;
const STREAM = 1;

export class Traces {
  readonly #port: LinkTraces;
  /** Came before what they belong to: by number, those of streams below zero. */
  readonly #waiting = new Map<number, Uint8Array>();

  constructor(port: LinkTraces) {
    this.#port = port;
  }

  /** To be called right before the frame of the request, which goes out after it. */
  sendForRequest(outbox: Outbox, level: number, number: number): void {
    const trace = this.#current();
    if (trace === undefined) return;
    const writer = outbox.writer(level, 1 + trace.length);
    writer.begin(FrameType.TRACE, number, 1 + trace.length);
    writer.byte(REQUEST);
    writer.bytes(trace);
    outbox.commit(writer);
  }

  /** The frame that opens a stream, with the trace before it. */
  beforeStream(number: number, frame: Uint8Array): Uint8Array {
    const trace = this.#current();
    if (trace === undefined) return frame;
    const headBytes = 6 + varintBytes(number);
    const both = new Uint8Array(headBytes + 1 + trace.length + frame.length);
    const at = writeFrameHeader(both, 0, FrameType.TRACE, number, 1 + trace.length);
    both[at] = STREAM;
    both.set(trace, at + 1);
    both.set(frame, at + 1 + trace.length);
    return both;
  }

  /** A TRACE frame. One that is not of the form is skipped, as by a peer that knows none. */
  onFrame(number: number, payload: Uint8Array): void {
    const kind = payload[0];
    if (payload.length < 2 || payload.length > 1 + TRACE_BYTES_MAX || number === 0) return;
    if (kind !== REQUEST && kind !== STREAM) return;
    // What they belong to follows at once: more than a few were sent for nothing.
    if (this.#waiting.size >= TRACES_WAITING_MAX) this.#waiting.clear();
    this.#waiting.set(kind === REQUEST ? number : -number, new Uint8Array(payload.subarray(1)));
  }

  runRequest<Result>(number: number, work: () => Result): Result {
    return this.#run(number, work);
  }

  runStream<Result>(number: number, work: () => Result): Result {
    return this.#run(-number, work);
  }

  #run<Result>(key: number, work: () => Result): Result {
    const trace = this.#waiting.size === 0 ? undefined : this.#waiting.get(key);
    if (trace === undefined) return work();
    this.#waiting.delete(key);
    return this.#port.run(trace, work);
  }

  #current(): Uint8Array | undefined {
    const trace = this.#port.current();
    if (trace === undefined || trace.length === 0 || trace.length > TRACE_BYTES_MAX) {
      return undefined;
    }
    return trace;
  }
}
