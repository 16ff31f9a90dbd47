/**
 * Holds what a link reads to its rate limits: at the limit the channel is paused, so that the peer
 * itself has to wait and nothing is dropped. Meanwhile the peer's silence is not held against it.
 */
import type { LinkClock, RateBucket } from "./link.js";
import type { Liveness } from "./liveness.js";
import { Pacer } from "./pacer.js";
import type { Channel } from "./transport.js";

export class PacedReading {
  readonly #pacer: Pacer;
  readonly #channel: Channel;
  readonly #liveness: Liveness;
  #stopped = false;

  constructor(
    buckets: readonly RateBucket[],
    clock: LinkClock,
    channel: Channel,
    liveness: Liveness,
  ) {
    this.#pacer = new Pacer(buckets, clock, () => this.#readOn());
    this.#channel = channel;
    this.#liveness = liveness;
  }

  onBytes(bytes: number): void {
    this.#pacer.take(bytes);
    if (this.#stopped || this.#pacer.mayGo()) return;
    this.#liveness.suspend();
    this.#channel.pause();
  }

  /** Lets the channel go on, so that it can come to its end. */
  stop(): void {
    if (this.#stopped) return;
    this.#stopped = true;
    this.#pacer.stop();
    this.#channel.resume();
  }

  #readOn(): void {
    this.#liveness.resume();
    this.#channel.resume();
  }
}
