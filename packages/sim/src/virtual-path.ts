/**
 * One direction between two simulated hosts: how long bytes take, and whether they get through. All
 * connections that run this way share its bandwidth and its troubles.
 */
import type { Clock } from "@hearthmesh/core";
import type { SeededRandom } from "./seeded-random.js";

export interface PathProfile {
  delayMs: number;
  /** Each segment takes up to this much longer. */
  jitterMs: number;
  bytesPerSecond: number;
  /** Chance in [0, 1) that a segment is lost and has to be sent again. */
  loss: number;
}

/** Two machines at one gigabit switch. */
export const lanProfile: PathProfile = {
  delayMs: 0.2,
  jitterMs: 0.1,
  bytesPerSecond: 110e6,
  loss: 0,
};

/** Two homes with good lines. */
export const wanProfile: PathProfile = {
  delayMs: 15,
  jitterMs: 5,
  bytesPerSecond: 5e6,
  loss: 0.005,
};

/**
 * First retransmission of a lost segment (RFC 6298 gives 1 s, every kernel 200 ms); then doubled.
 */
const RETRANSMIT_FIRST_MS = 200;
const RETRANSMIT_MS_MAX = 5000;

export class VirtualPath {
  readonly #clock: Clock;
  readonly #random: SeededRandom;
  #busyUntilMs = 0;
  #cuts = 0;
  profile: PathProfile;

  constructor(options: { clock: Clock; random: SeededRandom; profile: PathProfile }) {
    this.#clock = options.clock;
    this.#random = options.random;
    this.profile = options.profile;
  }

  get isCut(): boolean {
    return this.#cuts > 0;
  }

  /** Nothing gets through until each cut was mended; senders notice nothing but silence. */
  cut(): void {
    this.#cuts++;
  }

  mend(): void {
    this.#cuts = Math.max(0, this.#cuts - 1);
  }

  mendAll(): void {
    this.#cuts = 0;
  }

  /** Time at which a segment of this size arrives when it is sent now, losses included. */
  arrivalMs(bytes: number): number {
    const { profile } = this;
    const beginMs = Math.max(this.#clock.monotonicMs(), this.#busyUntilMs);
    this.#busyUntilMs = beginMs + (bytes * 1000) / profile.bytesPerSecond;
    let arrivalMs = this.#busyUntilMs + profile.delayMs + this.#random.float() * profile.jitterMs;
    let waitMs = RETRANSMIT_FIRST_MS;
    while (profile.loss > 0 && this.#random.chance(profile.loss)) {
      arrivalMs += waitMs;
      waitMs = Math.min(waitMs * 2, RETRANSMIT_MS_MAX);
    }
    return arrivalMs;
  }

  /**
   * How long after a mended cut the sender tries again: its timer had been doubled while the cut
   * lasted, and chance decides how much of the last wait is left.
   */
  retryDelayMs(blockedForMs: number): number {
    const lastWaitMs = Math.min(Math.max(blockedForMs, RETRANSMIT_FIRST_MS), RETRANSMIT_MS_MAX);
    return this.#random.float() * lastWaitMs;
  }
}
