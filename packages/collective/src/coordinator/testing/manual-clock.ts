/** A clock for tests that moves only when it is told to. */
import type { Clock, Timer } from "@hearthmesh/core";

interface Due {
  readonly atMs: number;
  readonly callback: () => void;
}

export class ManualClock implements Clock {
  #timeMs = 1_000_000;
  #timers: Due[] = [];

  nowMs(): number {
    return 1_800_000_000_000 + this.#timeMs;
  }

  monotonicMs(): number {
    return this.#timeMs;
  }

  setTimeout(callback: () => void, delayMs: number): Timer {
    const due = { atMs: this.#timeMs + delayMs, callback };
    this.#timers.push(due);
    return {
      cancel: () => {
        this.#timers = this.#timers.filter((one) => one !== due);
      },
    };
  }

  /** Time passes, timer by timer; what each one starts gets its turn before the next. */
  async advance(durationMs: number): Promise<void> {
    const untilMs = this.#timeMs + durationMs;
    for (;;) {
      await turns();
      const next = this.#timers
        .filter((one) => one.atMs <= untilMs)
        .sort((a, b) => a.atMs - b.atMs)[0];
      if (next === undefined) break;
      this.#timers = this.#timers.filter((one) => one !== next);
      this.#timeMs = Math.max(this.#timeMs, next.atMs);
      next.callback();
    }
    this.#timeMs = untilMs;
    await turns();
  }
}

/** Lets everything run that needs no timer. */
export async function turns(count = 20): Promise<void> {
  for (let turn = 0; turn < count; turn++) await new Promise((resolve) => setImmediate(resolve));
}
