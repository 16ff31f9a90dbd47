/** A clock that stands still until it is told to move; for tests of deadlines and liveness. */
import type { LinkClock } from "../link.js";

interface Entry {
  dueMs: number;
  callback: () => void;
  cancelled: boolean;
}

export class ManualClock implements LinkClock {
  #nowMs = 0;
  #entries: Entry[] = [];

  nowMs(): number {
    return this.#nowMs;
  }

  monotonicMs(): number {
    return this.#nowMs;
  }

  setTimeout(callback: () => void, delayMs: number): { cancel(): void } {
    const entry: Entry = { dueMs: this.#nowMs + delayMs, callback, cancelled: false };
    this.#entries.push(entry);
    return {
      cancel() {
        entry.cancelled = true;
      },
    };
  }

  get timers(): number {
    return this.#entries.filter((entry) => !entry.cancelled).length;
  }

  /** Fires what is due, in order, letting promises settle after each. */
  async advance(ms: number): Promise<void> {
    const untilMs = this.#nowMs + ms;
    for (;;) {
      await settle();
      this.#entries = this.#entries.filter((entry) => !entry.cancelled);
      const next = this.#entries.reduce<Entry | undefined>(
        (first, entry) => (first === undefined || entry.dueMs < first.dueMs ? entry : first),
        undefined,
      );
      if (next === undefined || next.dueMs > untilMs) break;
      this.#entries.splice(this.#entries.indexOf(next), 1);
      this.#nowMs = Math.max(this.#nowMs, next.dueMs);
      next.callback();
    }
    this.#nowMs = untilMs;
    await settle();
  }

  /** Time passes and no timer fires, as when the process was stopped. */
  stall(ms: number): void {
    this.#nowMs += ms;
  }
}

/** Lets everything happen that needs no time: memory transports deliver by microtasks. */
export async function settle(): Promise<void> {
  for (let turn = 0; turn < 4; turn++) await new Promise((resolve) => setImmediate(resolve));
}
