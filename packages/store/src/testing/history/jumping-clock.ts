/** A clock whose time of day can be set, as people and time servers do. */
import type { Clock, Timer } from "@hearthmesh/core";

export class JumpingClock implements Clock {
  readonly #real: Clock;
  #shiftMs = 0;

  constructor(real: Clock) {
    this.#real = real;
  }

  /** The time of day is that much ahead of the real one; negative for behind. */
  jumpTo(shiftMs: number): void {
    this.#shiftMs = shiftMs;
  }

  nowMs(): number {
    return this.#real.nowMs() + this.#shiftMs;
  }

  monotonicMs(): number {
    return this.#real.monotonicMs();
  }

  setTimeout(callback: () => void, delayMs: number): Timer {
    return this.#real.setTimeout(callback, delayMs);
  }
}
