/**
 * A clock for tests whose time passes only while nothing else happens: when the event loop has no
 * more work, it jumps to the next timer. Thirty seconds of waiting take no time, and a slow machine
 * changes nothing.
 */
import type { Clock } from "@hearthmesh/core";

interface TestTimer {
  atMs: number;
  callback: () => void;
}

export class IdleClock implements Clock {
  #timeMs = 1_800_000_000_000;
  #timers: TestTimer[] = [];
  #turning = false;

  nowMs(): number {
    return this.#timeMs;
  }

  monotonicMs(): number {
    return this.#timeMs;
  }

  setTimeout(callback: () => void, delayMs: number): { cancel(): void } {
    const timer = { atMs: this.#timeMs + Math.max(0, delayMs), callback };
    this.#timers.push(timer);
    this.#turn();
    return {
      cancel: () => {
        this.#timers = this.#timers.filter((one) => one !== timer);
      },
    };
  }

  /** Forgets all timers, so that the process can end. */
  stop(): void {
    this.#timers = [];
  }

  /** A turn of the event loop begins when everything that was ready has run. */
  #turn(): void {
    if (this.#turning || this.#timers.length === 0) return;
    this.#turning = true;
    setImmediate(() => {
      this.#turning = false;
      const [next] = [...this.#timers].sort((a, b) => a.atMs - b.atMs);
      if (next !== undefined) {
        this.#timers = this.#timers.filter((one) => one !== next);
        this.#timeMs = Math.max(this.#timeMs, next.atMs);
        next.callback();
      }
      this.#turn();
    });
  }
}
