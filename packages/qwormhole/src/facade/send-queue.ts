/**
 * What waits to be sent to one peer: a queue for each priority, in front of the link. Messages go
 * to the link at once while it takes them; when it says to wait, or while there is no link, they
 * stay here, where each channel's policy says what a full queue means.
 *
 * Between the queues, messages are taken in rounds (64, 16, 4 and 1 of them), so that a higher
 * priority goes first and none is starved. Within a queue the order is kept.
 */
import { isQWormholeError, QWormholeError } from "../errors.js";
import type { Link, LinkClock, Priority, SendOptions } from "../link.js";
import { PRIORITIES, PRIORITY_LEVEL } from "../outbox.js";
import type { Pacer } from "../pacer.js";
import {
  type ChannelMetrics,
  DROP_REASONS,
  type DropReason,
  emptyTransferMetrics,
  type TransferMetrics,
} from "./metrics.js";
import { SendLane, type WaitingMessage } from "./send-lane.js";

/** What `send` does when the queue of its channel is full. */
export type WhenFull = "error" | "drop-newest" | "drop-oldest" | "disconnect";

export interface ChannelPolicy {
  /**
   * `error` throws `QW_QUEUE_FULL`; `drop-newest` and `drop-oldest` drop and count; `disconnect`
   * ends the connection, for peers that must not lag. To wait instead, use `sendWhenReady`.
   */
  whenFull: WhenFull;
  queueBytesMax: number;
  queueMessagesMax: number;
}

/**
 * `sent`: taken, more may follow; `wait`: taken, but wait for `drained()`; `dropped` by the policy.
 */
export type SendResult = "sent" | "wait" | "dropped";

export const CHANNEL_POLICY_DEFAULT: ChannelPolicy = {
  whenFull: "error",
  queueBytesMax: 4 << 20,
  queueMessagesMax: 65_536,
};

/** Messages of one round, by priority. */
const ROUND = [64, 16, 4, 1] as const;
/** One object for each label, so that a send makes none. */
const SEND_OPTIONS: readonly SendOptions[] = PRIORITIES.flatMap((priority) =>
  Array.from({ length: 8 }, (_, kind) => ({ priority, kind })),
);
/** How often a message that did not fit into the link's queue is tried again. */
const ROOM_POLL_MS = 10;

export interface SendQueueHost {
  readonly clock: LinkClock;
  readonly policies: Readonly<Record<Priority, ChannelPolicy>>;
  /** Messages that may wait this long for a connection. */
  readonly waitMsMax: number;
  /** Holds back messages; made with this queue's `pump` as its `onReady`. */
  readonly pacer?: Pacer | undefined;
  onBackpressure(queuedBytes: number): void;
  onDrain(): void;
  onDrop(reason: DropReason, messages: number, priority: Priority): void;
  /** The policy `disconnect` applies. */
  onTooSlow(error: QWormholeError): void;
}

export class SendQueue {
  readonly #host: SendQueueHost;
  readonly #lanes: readonly SendLane[] = PRIORITIES.map(() => new SendLane());
  #link: Link | undefined;
  /** The link said to wait, and has not drained since. */
  #congested = false;
  #waiting = 0;
  #waiters: (() => void)[] = [];
  #turn: Promise<unknown> = Promise.resolve();
  #closed: Error | undefined;
  backpressureEvents = 0;
  drainEvents = 0;

  constructor(host: SendQueueHost) {
    this.#host = host;
  }

  /** Messages and bytes that wait here. */
  get length(): number {
    return this.#waiting;
  }

  get bytes(): number {
    return this.#lanes.reduce((sum, lane) => sum + lane.bytes, 0);
  }

  /** Goes on with this link. What has waited too long meanwhile is dropped. */
  attach(link: Link): void {
    this.#link = link;
    this.#congested = false;
    this.#expire(this.#host.clock.monotonicMs());
    this.pump();
  }

  /** There is no link for now; messages wait. */
  detach(): void {
    this.#link = undefined;
    this.#congested = false;
  }

  /** Nothing will be sent any more; what waits is dropped and counted. */
  close(error: Error): void {
    if (this.#closed !== undefined) return;
    this.#closed = error;
    this.#link = undefined;
    for (const [level, lane] of this.#lanes.entries()) {
      const { length } = lane;
      while (lane.shift() !== undefined) this.#waiting--;
      if (length > 0) this.#drop(level, "closed", length);
    }
    this.#wake();
  }

  /**
   * `whenFull` overrules the policy. Throws `QW_QUEUE_FULL`, `QW_MESSAGE_TOO_LARGE`, or the error
   * with which the queue was closed.
   */
  send(payload: Uint8Array, kind: number, priority: Priority, whenFull?: WhenFull): SendResult {
    if (this.#closed !== undefined) throw this.#closed;
    const level = PRIORITY_LEVEL[priority];
    const link = this.#link;
    if (link?.isOpen && this.#waiting === 0 && !this.#congested && this.#mayGo()) {
      try {
        return this.#hand(link, payload, kind, level) ? "sent" : "wait";
      } catch (error) {
        if (!mayFitLater(error, link)) throw error;
        this.#waitForRoom(link);
      }
    }
    return this.#enqueue(payload, kind, level, whenFull ?? this.#host.policies[priority].whenFull);
  }

  /**
   * Of what goes to many. Never throws: what one peer does not take is dropped and counted, so that
   * it cannot keep it from the others. True when it was taken.
   */
  offer(payload: Uint8Array, kind: number, priority: Priority): boolean {
    if (this.#closed !== undefined) return false;
    const { whenFull } = this.#host.policies[priority];
    const instead = whenFull === "error" ? "drop-newest" : whenFull;
    try {
      return this.send(payload, kind, priority, instead) !== "dropped";
    } catch {
      this.#drop(PRIORITY_LEVEL[priority], "refused", 1);
      return false;
    }
  }

  /** Waits until the queue is at rest and sends then; several callers are served in their order. */
  sendWhenReady(
    payload: Uint8Array,
    kind: number,
    priority: Priority,
    signal?: AbortSignal,
  ): Promise<void> {
    const sent = this.#turn.then(async () => {
      while (!this.#isAtRest && this.#closed === undefined) {
        await raceAbort(this.#nextDrain(), signal);
      }
      if (signal?.aborted) throw new QWormholeError("QW_CANCELLED", { cause: signal.reason });
      this.send(payload, kind, priority);
    });
    this.#turn = sent.catch(() => {});
    return sent;
  }

  /** Resolves when nothing waits here and the link has drained, or the queue was closed. */
  drained(): Promise<void> {
    return this.#isAtRest || this.#closed !== undefined ? Promise.resolve() : this.#nextDrain();
  }

  /** As `drained`, but no longer than until the signal is aborted. */
  drainedOr(signal: AbortSignal): Promise<void> {
    return raceAbort(this.drained(), signal);
  }

  /** Hands on what the link takes. */
  pump(): void {
    const link = this.#link;
    if (link === undefined || this.#congested) return;
    const nowMs = this.#host.clock.monotonicMs();
    while (this.#waiting > 0) {
      for (const [level, lane] of this.#lanes.entries()) {
        for (let left = ROUND[level] ?? 1; left > 0 && lane.length > 0; left--) {
          if (!link.isOpen || !this.#mayGo() || !this.#handFirst(link, lane, level, nowMs)) return;
        }
      }
    }
    this.#rest();
  }

  /** What was and is sent; nothing of what was received. */
  get metrics(): TransferMetrics {
    const metrics = emptyTransferMetrics();
    metrics.backpressureEvents = this.backpressureEvents;
    metrics.drainEvents = this.drainEvents;
    for (const [level, lane] of this.#lanes.entries()) {
      const { length: queuedMessages, bytes: queuedBytes } = lane;
      const channel = { ...structuredClone(lane.metrics), queuedMessages, queuedBytes };
      metrics.channels[PRIORITIES[level] as Priority] = channel;
      metrics.messagesOut += channel.messagesOut;
      metrics.queuedMessages += queuedMessages;
      metrics.queuedBytes += queuedBytes;
      for (const reason of DROP_REASONS) metrics.drops[reason] += channel.drops[reason];
    }
    return metrics;
  }

  get #isAtRest(): boolean {
    return this.#waiting === 0 && !this.#congested;
  }

  #mayGo(): boolean {
    return this.#host.pacer === undefined || this.#host.pacer.mayGo();
  }

  /** Gives one message to the link; false when the link says to wait. */
  #hand(link: Link, payload: Uint8Array, kind: number, level: number): boolean {
    const goesOn = link.send(payload, SEND_OPTIONS[level * 8 + kind]);
    this.#host.pacer?.take(1);
    const { metrics } = this.#lanes[level] as SendLane;
    metrics.messagesOut++;
    metrics.messageBytesOut += payload.length;
    if (!goesOn) this.#congest(link);
    return goesOn;
  }

  /** Gives the first message of a queue to the link; false when the link says to wait. */
  #handFirst(link: Link, lane: SendLane, level: number, nowMs: number): boolean {
    const item = lane.first as WaitingMessage;
    let goesOn = true;
    try {
      goesOn = this.#hand(link, item.payload, item.kind, level);
      this.#countWait(lane.metrics, nowMs - item.sinceMs);
    } catch (error) {
      if (mayFitLater(error, link)) {
        this.#waitForRoom(link);
        return false;
      }
      this.#drop(level, "refused", 1);
    }
    // A listener that was told may have emptied the queue.
    if (lane.first === item) {
      lane.shift();
      this.#waiting--;
    }
    return goesOn;
  }

  #congest(link: Link): void {
    this.#tellPressure(link);
    link.drained().then(() => this.#goOn(link));
  }

  /**
   * The link's queue is full, which answers to the peer's requests can bring about. That a message
   * of this size fits again is below no mark that the link would tell of.
   */
  #waitForRoom(link: Link): void {
    if (this.backpressureEvents === this.drainEvents) this.#tellPressure(link);
    this.#congested = true;
    this.#host.clock.setTimeout(() => this.#goOn(link), ROOM_POLL_MS);
  }

  #tellPressure(link: Link): void {
    this.#congested = true;
    this.backpressureEvents++;
    this.#host.onBackpressure(this.bytes + link.inspect().queuedBytes);
  }

  #goOn(link: Link): void {
    if (this.#link !== link) return;
    this.#congested = false;
    this.pump();
  }

  #rest(): void {
    if (!this.#isAtRest) return;
    if (this.backpressureEvents > this.drainEvents) {
      this.drainEvents = this.backpressureEvents;
      this.#host.onDrain();
    }
    this.#wake();
  }

  #enqueue(payload: Uint8Array, kind: number, level: number, whenFull: WhenFull): SendResult {
    const nowMs = this.#host.clock.monotonicMs();
    if (this.#link === undefined) this.#expire(nowMs);
    const lane = this.#lanes[level] as SendLane;
    if (!this.#makeRoom(lane, level, payload.length, whenFull)) return "dropped";
    lane.push({ payload, kind, sinceMs: nowMs });
    this.#waiting++;
    if (this.#waiting === 1) this.pump();
    return "wait";
  }

  /** False when the message is to be dropped. */
  #makeRoom(lane: SendLane, level: number, bytes: number, whenFull: WhenFull): boolean {
    const { queueBytesMax, queueMessagesMax } = this.#policy(level);
    const isFull = () => lane.bytes + bytes > queueBytesMax || lane.length >= queueMessagesMax;
    if (!isFull()) return true;
    if (whenFull === "drop-oldest" && bytes <= queueBytesMax) {
      let dropped = 0;
      for (; isFull() && lane.shift() !== undefined; dropped++) this.#waiting--;
      this.#drop(level, "queue-full", dropped);
      return true;
    }
    const waits = `${lane.length} messages and ${lane.bytes} bytes wait to be sent to the peer`;
    const error = new QWormholeError("QW_QUEUE_FULL", { message: waits });
    if (whenFull === "error") throw error;
    this.#drop(level, "queue-full", 1);
    if (whenFull === "disconnect") this.#host.onTooSlow(error);
    return false;
  }

  #policy(level: number): ChannelPolicy {
    return this.#host.policies[PRIORITIES[level] as Priority];
  }

  #expire(nowMs: number): void {
    for (const [level, lane] of this.#lanes.entries()) {
      let expired = 0;
      while (lane.first !== undefined && nowMs - lane.first.sinceMs > this.#host.waitMsMax) {
        lane.shift();
        this.#waiting--;
        expired++;
      }
      if (expired > 0) this.#drop(level, "expired", expired);
    }
  }

  #drop(level: number, reason: DropReason, messages: number): void {
    (this.#lanes[level] as SendLane).metrics.drops[reason] += messages;
    this.#host.onDrop(reason, messages, PRIORITIES[level] as Priority);
  }

  #countWait(metrics: ChannelMetrics, waitMs: number): void {
    metrics.sendWaitMs += (waitMs - metrics.sendWaitMs) / 8;
    if (waitMs > metrics.sendWaitMsMax) metrics.sendWaitMsMax = waitMs;
  }

  #nextDrain(): Promise<void> {
    return new Promise((resolve) => this.#waiters.push(resolve));
  }

  #wake(): void {
    const waiters = this.#waiters;
    this.#waiters = [];
    for (const resolve of waiters) resolve();
  }
}

/** Whether the message would fit into the link's queue if less waited there. */
function mayFitLater(error: unknown, link: Link): boolean {
  return isQWormholeError(error, "QW_QUEUE_FULL") && link.inspect().queuedBytes > 0;
}

/** Ends the wait when the signal is aborted; the caller looks at the signal. */
function raceAbort(wait: Promise<void>, signal: AbortSignal | undefined): Promise<void> {
  if (signal === undefined) return wait;
  if (signal.aborted) return Promise.resolve();
  return new Promise((resolve) => {
    const done = () => {
      signal.removeEventListener("abort", done);
      resolve();
    };
    signal.addEventListener("abort", done, { once: true });
    wait.then(done);
  });
}
