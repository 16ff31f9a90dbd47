/** What others may make this node do in a second, before anything expensive is done. */
import { TokenBucket, type TokenBucketOptions } from "@hearthmesh/qwormhole";
import {
  FLOOD_SOURCES_MAX,
  FORGED_BURST,
  FORGED_PER_SEC,
  OPENED_DATAGRAMS_BURST,
  OPENED_DATAGRAMS_PER_SEC,
  PROOFS_BURST,
  PROOFS_PER_SEC,
  SENDER_DATAGRAMS_BURST,
  SENDER_DATAGRAMS_PER_SEC,
  VIEW_REQUESTS_BURST,
  VIEW_REQUESTS_PER_SEC,
  WRONG_PROOFS_BURST,
  WRONG_PROOFS_PER_SEC,
} from "./limits.js";

export class FloodGuard {
  readonly #senders = new Buckets(SENDER_DATAGRAMS_PER_SEC, SENDER_DATAGRAMS_BURST);
  readonly #forgers = new Buckets(FORGED_PER_SEC, FORGED_BURST);
  readonly #tellers = new Buckets(WRONG_PROOFS_PER_SEC, WRONG_PROOFS_BURST);
  readonly #askers = new Buckets(VIEW_REQUESTS_PER_SEC, VIEW_REQUESTS_BURST);
  readonly #opened: TokenBucket;
  readonly #proofs: TokenBucket;

  constructor(nowMs: number) {
    const opened = { perSec: OPENED_DATAGRAMS_PER_SEC, burst: OPENED_DATAGRAMS_BURST };
    this.#opened = new TokenBucket(opened, nowMs);
    this.#proofs = new TokenBucket({ perSec: PROOFS_PER_SEC, burst: PROOFS_BURST }, nowMs);
  }

  /** Whether a sealed datagram that came from this address is worth opening. */
  mayOpen(address: string, nowMs: number): boolean {
    if (!this.#forgers.has(address, nowMs) || this.#opened.waitMs(nowMs) > 0) return false;
    this.#opened.take(1, nowMs);
    return true;
  }

  /** A seal from this address was wrong. The address is not proven: it costs no member anything. */
  sawForged(address: string, nowMs: number): void {
    this.#forgers.take(address, nowMs);
  }

  /** Whether one more datagram of this sender, whose seal was right, is taken. */
  mayTake(sender: string, nowMs: number): boolean {
    return this.#senders.take(sender, nowMs);
  }

  /** Whether a proof is verified that this teller brought. */
  mayVerify(teller: string, nowMs: number): boolean {
    if (!this.#tellers.has(teller, nowMs) || this.#proofs.waitMs(nowMs) > 0) return false;
    this.#proofs.take(1, nowMs);
    return true;
  }

  sawWrongProof(teller: string, nowMs: number): void {
    this.#tellers.take(teller, nowMs);
  }

  /** Whether a request for views or certificates is answered. */
  mayAsk(asker: string, nowMs: number): boolean {
    return this.#askers.take(asker, nowMs);
  }
}

/** A bucket for each source; the one that was used longest ago is forgotten beyond the limit. */
class Buckets {
  readonly #options: TokenBucketOptions;
  readonly #buckets = new Map<string, TokenBucket>();

  constructor(perSec: number, burst: number) {
    this.#options = { perSec, burst };
  }

  has(source: string, nowMs: number): boolean {
    return (this.#buckets.get(source)?.waitMs(nowMs) ?? 0) === 0;
  }

  /** False when there was nothing left; then nothing is taken. */
  take(source: string, nowMs: number): boolean {
    const bucket = this.#buckets.get(source) ?? new TokenBucket(this.#options, nowMs);
    this.#buckets.delete(source);
    this.#buckets.set(source, bucket);
    const [oldest] = this.#buckets.keys();
    if (this.#buckets.size > FLOOD_SOURCES_MAX && oldest !== undefined) {
      this.#buckets.delete(oldest);
    }
    if (bucket.waitMs(nowMs) > 0) return false;
    bucket.take(1, nowMs);
    return true;
  }
}
