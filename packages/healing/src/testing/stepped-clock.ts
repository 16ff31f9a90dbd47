/** A clock that moves only when it is told to, timer by timer. */
import type { Clock, Timer } from "@hearthmesh/core";

interface Due {
  readonly atMs: number;
  readonly callback: () => void;
}

const WALL_MS = 1_800_000_000_000;

export class SteppedClock implements Clock {
  #timeMs = 0;
  #timers: Due[] = [];

  nowMs(): number {
    return WALL_MS + this.#timeMs;
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

  /** What each timer starts gets its turn before the next. */
  async advance(durationMs: number): Promise<void> {
    const untilMs = this.#timeMs + durationMs;
    for (;;) {
      await settled();
      const next = this.#earliest();
      if (next === undefined || next.atMs > untilMs) break;
      this.#timers = this.#timers.filter((one) => one !== next);
      this.#timeMs = Math.max(this.#timeMs, next.atMs);
      next.callback();
    }
    this.#timeMs = untilMs;
    await settled();
  }

  #earliest(): Due | undefined {
    let earliest: Due | undefined;
    for (const one of this.#timers) {
      if (earliest === undefined || one.atMs < earliest.atMs) earliest = one;
    }
    return earliest;
  }
}

/** Lets everything run that needs no timer: promises alone, so it costs no time of the machine. */
async function settled(): Promise<void> {
  for (let turn = 0; turn < 40; turn++) await Promise.resolve();
}
