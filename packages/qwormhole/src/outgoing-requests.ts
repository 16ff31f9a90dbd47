/**
 * Requests that this side made. Each ends exactly once: by the answer, the deadline, its signal, or
 * the end of the link. The number of one that ended early is not used again until all others were,
 * so a late answer finds nothing and is dropped.
 */
import type { Deadlines } from "./deadlines.js";
import { QWormholeError } from "./errors.js";
import { FrameType, varintBytes } from "./frames.js";
import { CHANNEL_NUMBER_MAX, DEADLINE_MS_MAX } from "./limits.js";
import type { RequestOptions } from "./link.js";
import type { MethodNames } from "./method-names.js";
import { type Outbox, PRIORITY_LEVEL } from "./outbox.js";
import type { Traces } from "./traces.js";

const REQUEST_TIMEOUT_MS_DEFAULT = 10_000;
const EMPTY = new Uint8Array(0);

interface Pending {
  readonly resolve: (body: Uint8Array) => void;
  readonly reject: (error: Error) => void;
  readonly deadlineMs: number;
  readonly level: number;
  readonly signal: AbortSignal | undefined;
  onAbort: (() => void) | undefined;
}

export class OutgoingRequests {
  readonly #outbox: Outbox;
  readonly #names: MethodNames;
  readonly #deadlines: Deadlines;
  readonly #requestsMax: number;
  readonly #messageBytesMax: number;
  readonly #traces: Traces | undefined;
  readonly #pending = new Map<number, Pending>();
  #lastNumber = 0;

  /** `peerLimits` is what the peer accepts, from its HELLO. */
  constructor(
    outbox: Outbox,
    names: MethodNames,
    deadlines: Deadlines,
    peerLimits: { requestsMax: number; messageBytesMax: number },
    traces?: Traces,
  ) {
    this.#traces = traces;
    this.#outbox = outbox;
    this.#names = names;
    this.#deadlines = deadlines;
    this.#requestsMax = peerLimits.requestsMax;
    this.#messageBytesMax = peerLimits.messageBytesMax;
  }

  get count(): number {
    return this.#pending.size;
  }

  start(
    method: string,
    body: Uint8Array | readonly Uint8Array[],
    options: RequestOptions,
  ): Promise<Uint8Array> {
    return new Promise((resolve, reject) => {
      const { signal, priority = "rpc" } = options;
      if (signal?.aborted) throw cancelled(signal);
      if (this.#pending.size >= this.#requestsMax) throw new QWormholeError("QW_REQUEST_LIMIT");
      const timeoutMs = Math.min(options.timeoutMs ?? REQUEST_TIMEOUT_MS_DEFAULT, DEADLINE_MS_MAX);
      if (!(timeoutMs >= 0)) {
        throw new QWormholeError("QW_OPTIONS_INVALID", { message: "`timeoutMs` is no duration" });
      }
      const number = this.#nextNumber();
      const level = PRIORITY_LEVEL[priority];
      this.#send(number, level, method, Math.ceil(timeoutMs), body);
      const deadlineMs = this.#deadlines.after(timeoutMs);
      const pending: Pending = { resolve, reject, deadlineMs, level, signal, onAbort: undefined };
      this.#pending.set(number, pending);
      if (signal !== undefined) {
        pending.onAbort = () => this.#cancel(number, cancelled(signal));
        signal.addEventListener("abort", pending.onAbort, { once: true });
      }
    });
  }

  onAnswer(number: number, body: Uint8Array): void {
    this.#take(number)?.resolve(body);
  }

  onError(number: number, error: Error): void {
    this.#take(number)?.reject(error);
  }

  /** Ends what is due; returns the earliest deadline that is left. */
  sweep(nowMs: number): number {
    let nextMs = Number.POSITIVE_INFINITY;
    for (const [number, pending] of this.#pending) {
      if (pending.deadlineMs <= nowMs) {
        this.#cancel(number, new QWormholeError("QW_REQUEST_TIMEOUT"));
      } else if (pending.deadlineMs < nextMs) nextMs = pending.deadlineMs;
    }
    return nextMs;
  }

  fail(error: Error): void {
    for (const number of [...this.#pending.keys()]) this.#take(number)?.reject(error);
  }

  #send(
    number: number,
    level: number,
    method: string,
    timeoutMs: number,
    body: Uint8Array | readonly Uint8Array[],
  ): void {
    const name = this.#names.encode(method);
    const bodyBytes = byteLengthOf(body);
    checkMessageBytes(bodyBytes, this.#messageBytesMax);
    this.#traces?.sendForRequest(this.#outbox, level, number);
    const payloadBytes = varintBytes(timeoutMs) + 2 + name.length + bodyBytes;
    const writer = this.#outbox.writer(level, payloadBytes);
    writer.begin(FrameType.REQ, number, payloadBytes);
    writer.varint(timeoutMs);
    writer.byte(level);
    writer.byte(name.length);
    writer.bytes(name);
    if (ArrayBuffer.isView(body)) writer.bytes(body);
    else for (const piece of body) writer.bytes(piece);
    this.#outbox.commit(writer, true);
  }

  /** In the priority of the request, so that it cannot overtake it. */
  #cancel(number: number, error: Error): void {
    const pending = this.#take(number);
    if (pending === undefined) return;
    try {
      this.#outbox.frame(pending.level, FrameType.CANCEL, number, EMPTY);
    } catch {
      // The queue is full: the peer keeps the request until its own deadline.
    }
    pending.reject(error);
  }

  #take(number: number): Pending | undefined {
    const pending = this.#pending.get(number);
    if (pending === undefined) return undefined;
    this.#pending.delete(number);
    if (pending.onAbort !== undefined) {
      pending.signal?.removeEventListener("abort", pending.onAbort);
    }
    return pending;
  }

  #nextNumber(): number {
    do {
      this.#lastNumber = this.#lastNumber === CHANNEL_NUMBER_MAX ? 1 : this.#lastNumber + 1;
    } while (this.#pending.has(this.#lastNumber));
    return this.#lastNumber;
  }
}

/** Throws a `TypeError` for anything but bytes, before a frame of a wrong length is begun. */
export function byteLengthOf(body: Uint8Array | readonly Uint8Array[]): number {
  if (ArrayBuffer.isView(body)) return body.length;
  if (!Array.isArray(body)) throw new TypeError("a body must be a Uint8Array or a list of them");
  let bytes = 0;
  for (const piece of body) {
    if (!ArrayBuffer.isView(piece)) throw new TypeError("a piece of a body is no Uint8Array");
    bytes += (piece as Uint8Array).length;
  }
  return bytes;
}

/** Throws `QW_MESSAGE_TOO_LARGE`. */
export function checkMessageBytes(bytes: number, bytesMax: number): void {
  if (bytes <= bytesMax) return;
  const message = `the message has ${bytes} bytes; the receiver accepts ${bytesMax}`;
  throw new QWormholeError("QW_MESSAGE_TOO_LARGE", { message });
}

function cancelled(signal: AbortSignal): QWormholeError {
  return new QWormholeError("QW_CANCELLED", { cause: signal.reason });
}
