/**
 * The bytes that travel one way in one connection: in order, each exactly once, with a window. A
 * cut path holds them back; the sender gives up when nothing has been acknowledged for
 * `SILENCE_MS_MAX`, as a kernel does when its retransmissions run out.
 */
import type { Clock, Timer } from "@hearthmesh/core";
import type { VirtualPath } from "./virtual-path.js";

/** Bytes in one segment; a write is divided, so that connections share a path fairly. */
const SEGMENT_BYTES_MAX = 64 * 1024;
/** Bytes that are sent and not yet acknowledged. */
const WINDOW_BYTES_MAX = 512 * 1024;
/** Linux gives up after about 15 minutes; mends come sooner here, and so do the failures. */
export const SILENCE_MS_MAX = 60_000;

/** Comes after all data; nothing follows it. */
export type Signal = "end";

interface Segment {
  readonly content: Uint8Array | Signal;
  readonly bytes: number;
  readonly arrivalMs: number;
}

export interface FlowEvents {
  /** The segment is at the other end. False: it takes nothing now; `wake` tries again. */
  onArrive(content: Uint8Array | Signal): boolean;
  /** Everything that was queued is with the network. */
  onSent(): void;
  /** Nothing was acknowledged for too long. */
  onGiveUp(): void;
  /** Monotonic time at which the receiver can take something: a stopped process, or no power. */
  receiverReadyAtMs(): number | "never";
}

export class VirtualFlow {
  readonly #clock: Clock;
  readonly #path: VirtualPath;
  readonly #reversePath: VirtualPath;
  readonly #events: FlowEvents;
  readonly #queue: (Uint8Array | Signal)[] = [];
  readonly #inFlight: Segment[] = [];
  #queuedBytes = 0;
  #unacknowledgedBytes = 0;
  /** Delivered bytes whose acknowledgement cannot come back. */
  #heldAcknowledgementBytes = 0;
  #lastArrivalMs = 0;
  #headTimer: Timer | undefined;
  #silenceTimer: Timer | undefined;
  #blockedSinceMs: number | undefined;
  #stopped = false;

  constructor(options: {
    clock: Clock;
    path: VirtualPath;
    reversePath: VirtualPath;
    events: FlowEvents;
  }) {
    this.#clock = options.clock;
    this.#path = options.path;
    this.#reversePath = options.reversePath;
    this.#events = options.events;
  }

  /** Bytes that were written and are not with the network yet. */
  get queuedBytes(): number {
    return this.#queuedBytes;
  }

  write(content: Uint8Array | Signal): void {
    if (this.#stopped) return;
    if (typeof content === "string") {
      this.#queue.push(content);
    } else {
      for (let at = 0; at < content.length; at += SEGMENT_BYTES_MAX) {
        this.#queue.push(content.slice(at, at + SEGMENT_BYTES_MAX));
      }
      this.#queuedBytes += content.length;
    }
    this.#pump();
  }

  /** The receiver has room again, or a path was mended. */
  wake(): void {
    if (this.#stopped) return;
    this.#acknowledge(0);
    if (this.#blockedSinceMs !== undefined && !this.#path.isCut) {
      const delayMs = this.#path.retryDelayMs(this.#clock.monotonicMs() - this.#blockedSinceMs);
      this.#blockedSinceMs = undefined;
      this.#waitForHead(delayMs);
    } else if (this.#headTimer === undefined) {
      this.#waitForHead(0);
    }
    this.#pump();
  }

  /**
   * The process closed the connection without waiting: what it had not handed over is lost, but the
   * kernel goes on sending what it has, for as long as it takes, and then the end.
   */
  abandon(): void {
    this.#queue.length = 0;
    this.#queuedBytes = 0;
    this.write("end");
  }

  /** Whatever is under way is lost. */
  stop(): void {
    this.#stopped = true;
    this.#headTimer?.cancel();
    this.#silenceTimer?.cancel();
    this.#queue.length = 0;
    this.#inFlight.length = 0;
    this.#queuedBytes = 0;
  }

  #pump(): void {
    const before = this.#queue.length;
    while (this.#queue.length > 0 && this.#unacknowledgedBytes < WINDOW_BYTES_MAX) {
      const content = this.#queue.shift() ?? "end";
      const bytes = typeof content === "string" ? 0 : content.length;
      this.#queuedBytes -= bytes;
      this.#unacknowledgedBytes += bytes;
      this.#lastArrivalMs = Math.max(this.#lastArrivalMs, this.#path.arrivalMs(bytes));
      this.#inFlight.push({ content, bytes, arrivalMs: this.#lastArrivalMs });
    }
    if (this.#headTimer === undefined && this.#blockedSinceMs === undefined) this.#waitForHead(0);
    this.#watchSilence();
    if (before > 0 && this.#queue.length === 0) this.#events.onSent();
  }

  #waitForHead(atLeastMs: number): void {
    const head = this.#inFlight[0];
    if (head === undefined) return;
    const delayMs = Math.max(atLeastMs, head.arrivalMs - this.#clock.monotonicMs());
    this.#headTimer?.cancel();
    this.#headTimer = this.#clock.setTimeout(() => {
      this.#headTimer = undefined;
      this.#arrive();
    }, delayMs);
  }

  #arrive(): void {
    const nowMs = this.#clock.monotonicMs();
    for (;;) {
      const head = this.#inFlight[0];
      if (head === undefined || this.#stopped) break;
      if (head.arrivalMs > nowMs) {
        this.#waitForHead(0);
        break;
      }
      if (this.#path.isCut) {
        this.#blockedSinceMs ??= nowMs;
        return;
      }
      const readyAtMs = this.#events.receiverReadyAtMs();
      if (readyAtMs === "never") return;
      if (readyAtMs > nowMs) {
        this.#waitForHead(readyAtMs - nowMs);
        return;
      }
      if (!this.#events.onArrive(head.content)) return;
      if (this.#stopped) return;
      this.#inFlight.shift();
      this.#acknowledge(head.bytes);
    }
    this.#pump();
  }

  /** Acknowledgements travel in no time: the window matters here, not their delay. */
  #acknowledge(bytes: number): void {
    this.#heldAcknowledgementBytes += bytes;
    if (this.#reversePath.isCut) return;
    this.#unacknowledgedBytes -= this.#heldAcknowledgementBytes;
    this.#heldAcknowledgementBytes = 0;
    this.#silenceTimer?.cancel();
    this.#silenceTimer = undefined;
  }

  #watchSilence(): void {
    if (this.#silenceTimer !== undefined || this.#isAcknowledged()) return;
    this.#silenceTimer = this.#clock.setTimeout(() => {
      this.#silenceTimer = undefined;
      // A receiver that reads slowly still acknowledges the probes of a closed window.
      if (!this.#stopped && this.#isCutOff()) this.#events.onGiveUp();
      else this.#watchSilence();
    }, SILENCE_MS_MAX);
  }

  #isAcknowledged(): boolean {
    return this.#inFlight.length === 0 && this.#heldAcknowledgementBytes === 0;
  }

  #isCutOff(): boolean {
    const isReceiverGone = this.#events.receiverReadyAtMs() === "never";
    return this.#path.isCut || this.#reversePath.isCut || isReceiverGone;
  }
}
