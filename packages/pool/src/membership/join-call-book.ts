/**
 * Which calls of newcomers are answered. A call is answered once, near its time, and only so many a
 * second of one machine and of all: an answer is as long as a call and goes to the own network
 * alone, so that nothing is won by calling much, or by repeating what somebody else called.
 */
import { TokenBucket } from "@hearthmesh/qwormhole";
import type { JoinCall } from "./join-call-codec.js";
import {
  JOIN_CALL_CLOCK_OFF_MS_MAX,
  JOIN_CALL_NONCES_MAX,
  JOIN_CALL_SOURCE_BURST,
  JOIN_CALL_SOURCE_RATE_PER_SEC,
  JOIN_CALL_SOURCES_MAX,
  JOIN_CALL_TOTAL_BURST,
  JOIN_CALL_TOTAL_RATE_PER_SEC,
} from "./limits.js";

/** `stale`: its clock and ours are far apart. `flood`: too many at once, or the book is full. */
export type JoinCallVerdict = "fresh" | "replayed" | "stale" | "flood";

/** A replay is told by its number for as long as its time would still be taken. */
const REMEMBERED_MS = 2 * JOIN_CALL_CLOCK_OFF_MS_MAX;

export class JoinCallBook {
  /** Numbers of calls, and until when each is remembered; the oldest first. */
  readonly #numbers = new Map<string, number>();
  /** The source that was silent the longest comes first. */
  readonly #sources = new Map<string, TokenBucket>();
  readonly #total: TokenBucket;

  constructor(monotonicMs: number) {
    const rate = { perSec: JOIN_CALL_TOTAL_RATE_PER_SEC, burst: JOIN_CALL_TOTAL_BURST };
    this.#total = new TokenBucket(rate, monotonicMs);
  }

  judge(
    call: Pick<JoinCall, "nodeId" | "number" | "atMs">,
    host: string,
    now: { readonly wallMs: number; readonly monotonicMs: number },
  ): JoinCallVerdict {
    if (Math.abs(call.atMs - now.wallMs) > JOIN_CALL_CLOCK_OFF_MS_MAX) return "stale";
    const key = `${call.nodeId} ${call.number}`;
    this.#forget(now.monotonicMs);
    if (this.#numbers.has(key)) return "replayed";
    const source = this.#sourceOf(host, now.monotonicMs);
    const waits = source.waitMs(now.monotonicMs) > 0 || this.#total.waitMs(now.monotonicMs) > 0;
    if (waits || this.#numbers.size >= JOIN_CALL_NONCES_MAX) return "flood";
    source.take(1, now.monotonicMs);
    this.#total.take(1, now.monotonicMs);
    this.#numbers.set(key, now.monotonicMs + REMEMBERED_MS);
    return "fresh";
  }

  #forget(nowMs: number): void {
    for (const [key, untilMs] of this.#numbers) {
      if (untilMs > nowMs) return;
      this.#numbers.delete(key);
    }
  }

  #sourceOf(host: string, nowMs: number): TokenBucket {
    const rate = { perSec: JOIN_CALL_SOURCE_RATE_PER_SEC, burst: JOIN_CALL_SOURCE_BURST };
    const bucket = this.#sources.get(host) ?? new TokenBucket(rate, nowMs);
    this.#sources.delete(host);
    this.#sources.set(host, bucket);
    if (this.#sources.size > JOIN_CALL_SOURCES_MAX) {
      const [oldest] = this.#sources.keys();
      if (oldest !== undefined) this.#sources.delete(oldest);
    }
    return bucket;
  }
}
