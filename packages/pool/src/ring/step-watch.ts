/**
 * Notices that another member sends nothing. It looks a few times a second while steps are under
 * way, so that no timer is made for an exchange; and a member is late only when it was late at two
 * looks, for this process itself may have stood still while the frame lay there.
 */
import type { Clock, Timer } from "@hearthmesh/core";
import { WATCH_INTERVAL_MS } from "./limits.js";
import type { RingMeter } from "./ring-meter.js";

export interface Waiting {
  readonly position: number;
  readonly sinceMs: number;
  /** What this member took for the same part. */
  readonly partMs: number;
  readonly rows: number;
}

export interface StepWatchOptions {
  readonly clock: Clock;
  readonly meter: Pick<RingMeter, "deadlineMs">;
  waiting(): Waiting | undefined;
  onOverdue(waiting: Waiting): void;
}

export class StepWatch {
  readonly #options: StepWatchOptions;
  #timer: Timer | undefined;
  /** Steps began since the last look. */
  #isTouched = false;
  #overdueSinceMs: number | undefined;
  #isStopped = false;

  constructor(options: StepWatchOptions) {
    this.#options = options;
  }

  /** A step begins. */
  touch(): void {
    this.#isTouched = true;
    if (this.#timer === undefined && !this.#isStopped) this.#arm();
  }

  stop(): void {
    this.#isStopped = true;
    this.#timer?.cancel();
    this.#timer = undefined;
  }

  #arm(): void {
    this.#timer = this.#options.clock.setTimeout(() => this.#look(), WATCH_INTERVAL_MS);
  }

  #look(): void {
    this.#timer = undefined;
    const { clock, meter, waiting, onOverdue } = this.#options;
    const present = waiting();
    const isIdle = present === undefined && !this.#isTouched;
    this.#isTouched = false;
    if (isIdle || this.#isStopped) return;
    this.#arm();
    if (present === undefined) return;
    const waitedMs = clock.monotonicMs() - present.sinceMs;
    const isOverdue = waitedMs > meter.deadlineMs(present.partMs, present.rows);
    if (isOverdue && this.#overdueSinceMs === present.sinceMs) onOverdue(present);
    this.#overdueSinceMs = isOverdue ? present.sinceMs : undefined;
  }
}
