/**
 * Requests of the peer that are under way here. Each is answered exactly once, by RES or ERR: with
 * what the handler gave, or at once when the caller cancels, its deadline passes, or a limit is
 * reached. What a handler gives after that is dropped.
 */
import type { Deadlines } from "./deadlines.js";
import { QWormholeError } from "./errors.js";
import { FrameType, PayloadReader } from "./frames.js";
import type { LinkLimits } from "./limits.js";
import type { Answer, IncomingRequest, LinkHandlers, Peer } from "./link.js";
import type { MethodNames } from "./method-names.js";
import { type Outbox, PRIORITY_LEVEL } from "./outbox.js";
import { byteLengthOf, checkMessageBytes } from "./outgoing-requests.js";
import type { Traces } from "./traces.js";
import { encodeWireError, toWireError } from "./wire-error.js";

class Call implements IncomingRequest {
  #controller: AbortController | undefined;
  #aborted: Error | undefined;

  constructor(
    readonly peer: Peer,
    readonly method: string,
    readonly body: Uint8Array,
    readonly number: number,
    readonly level: number,
    readonly deadlineMs: number,
  ) {}

  /** Made when it is first asked for: most handlers never do. */
  get signal(): AbortSignal {
    this.#controller ??= new AbortController();
    if (this.#aborted !== undefined) this.#controller.abort(this.#aborted);
    return this.#controller.signal;
  }

  abort(error: Error): void {
    this.#aborted = error;
    this.#controller?.abort(error);
  }
}

export interface RequestServing {
  readonly peer: Peer;
  readonly handlers: LinkHandlers;
  readonly outbox: Outbox;
  readonly names: MethodNames;
  readonly deadlines: Deadlines;
  readonly limits: LinkLimits;
  readonly traces: Traces | undefined;
  /** What the peer accepts. */
  readonly peerMessageBytesMax: number;
  /** Not even an error could be queued: the link has to end. */
  onOverflow(error: Error): void;
  /** An answer was sent. */
  onAnswered(): void;
}

export class IncomingRequests {
  readonly #serving: RequestServing;
  readonly #calls = new Map<number, Call>();
  readonly #reader = new PayloadReader(new Uint8Array(0), 0, 0);
  #bodyBytes = 0;

  constructor(serving: RequestServing) {
    this.#serving = serving;
  }

  get count(): number {
    return this.#calls.size;
  }

  /** A REQ frame. Throws `QW_FRAME_INVALID`. */
  onRequest(number: number, bytes: Uint8Array, start: number, end: number): void {
    const { names, peer, deadlines, limits, handlers } = this.#serving;
    const reader = this.#reader;
    reader.reset(bytes, start, end);
    const timeoutMs = reader.varint();
    const level = reader.byte();
    const nameBytes = reader.byte();
    const bodyStart = reader.offset + nameBytes;
    if (number === 0 || level > PRIORITY_LEVEL.bulk || bodyStart > end || this.#calls.has(number)) {
      throw new QWormholeError("QW_FRAME_INVALID", { message: "a request is not of its form" });
    }
    const body = bytes.subarray(bodyStart, end);
    checkMessageBytes(body.length, limits.messageBytesMax);
    if (
      this.#calls.size >= limits.requestsMax ||
      this.#bodyBytes + body.length > limits.requestBytesMax
    ) {
      this.#sendError(number, level, new QWormholeError("QW_REQUEST_LIMIT"));
      return;
    }
    if (handlers.onRequest === undefined) {
      this.#sendError(number, level, new QWormholeError("QW_NO_HANDLER"));
      return;
    }
    const method = names.decode(bytes, reader.offset, bodyStart);
    const call = new Call(peer, method, body, number, level, deadlines.after(timeoutMs));
    this.#calls.set(number, call);
    this.#bodyBytes += body.length;
    this.#run(call);
  }

  onCancel(number: number): void {
    const call = this.#calls.get(number);
    if (call !== undefined) this.#giveUp(call, new QWormholeError("QW_CANCELLED"));
  }

  /** Ends what is due; returns the earliest deadline that is left. */
  sweep(nowMs: number): number {
    let nextMs = Number.POSITIVE_INFINITY;
    for (const call of this.#calls.values()) {
      if (call.deadlineMs <= nowMs) this.#giveUp(call, new QWormholeError("QW_REQUEST_TIMEOUT"));
      else if (call.deadlineMs < nextMs) nextMs = call.deadlineMs;
    }
    return nextMs;
  }

  /** The link has ended. */
  fail(error: Error): void {
    const calls = [...this.#calls.values()];
    this.#calls.clear();
    for (const call of calls) call.abort(error);
  }

  /** What is answered at once makes no promise. */
  #run(call: Call): void {
    let answer: Answer | Promise<Answer> | undefined;
    try {
      const { handlers, traces } = this.#serving;
      answer =
        traces === undefined
          ? handlers.onRequest?.(call)
          : traces.runRequest(call.number, () => handlers.onRequest?.(call));
    } catch (error) {
      this.#onFailed(call, error);
      return;
    }
    if (answer instanceof Promise) {
      answer.then(
        (later) => this.#onAnswered(call, later),
        (error) => this.#onFailed(call, error),
      );
    } else this.#onAnswered(call, answer);
  }

  #onAnswered(call: Call, answer: Answer = new Uint8Array(0)): void {
    if (this.#forget(call)) this.#sendAnswer(call, answer);
  }

  #onFailed(call: Call, error: unknown): void {
    if (this.#forget(call)) this.#sendError(call.number, call.level, error);
  }

  #giveUp(call: Call, error: QWormholeError): void {
    if (!this.#forget(call)) return;
    this.#sendError(call.number, call.level, error);
    call.abort(error);
  }

  #forget(call: Call): boolean {
    if (this.#calls.get(call.number) !== call) return false;
    this.#calls.delete(call.number);
    this.#bodyBytes -= call.body.length;
    return true;
  }

  #sendAnswer(call: Call, answer: Answer): void {
    const { outbox, peerMessageBytesMax, onAnswered } = this.#serving;
    try {
      const bytes = byteLengthOf(answer);
      checkMessageBytes(bytes, peerMessageBytesMax);
      const writer = outbox.writer(call.level, bytes);
      writer.begin(FrameType.RES, call.number, bytes);
      if (ArrayBuffer.isView(answer)) writer.bytes(answer);
      else for (const piece of answer) writer.bytes(piece);
      outbox.commit(writer, true);
      onAnswered();
    } catch (error) {
      this.#sendError(call.number, call.level, error);
    }
  }

  #sendError(number: number, level: number, error: unknown): void {
    const { outbox, onOverflow, onAnswered } = this.#serving;
    try {
      outbox.frame(level, FrameType.ERR, number, encodeWireError(toWireError(error)));
      onAnswered();
    } catch (overflow) {
      onOverflow(overflow as Error);
    }
  }
}
