/** A clock for tests that moves only when it is told to, timer by timer. */
import type { Clock, Timer } from "../clock.js";

interface Due {
  readonly atMs: number;
  readonly callback: () => void;
}

export interface ManualClockOptions {
  /** Of the monotonic clock at the beginning. */
  readonly atMs?: number;
  /** Time of day at the beginning, in milliseconds since 1970. */
  readonly wallMs?: number;
  /** Gives what a timer started its turn before the next timer. */
  settle?(): Promise<void>;
}

/** Added to the monotonic time when nobody says the time of day: some day in 2027. */
const WALL_OFFSET_MS = 1_800_000_000_000;

export class ManualClock implements Clock {
  readonly #settle: () => Promise<void>;
  readonly #wallOffsetMs: number;
  #timeMs: number;
  readonly #timers = new Set<Due>();

  constructor({ atMs = 1_000_000, wallMs, settle = turns }: ManualClockOptions = {}) {
    this.#timeMs = atMs;
    this.#wallOffsetMs = wallMs === undefined ? WALL_OFFSET_MS : wallMs - atMs;
    this.#settle = settle;
  }

  nowMs(): number {
    return this.#wallOffsetMs + this.#timeMs;
  }

  monotonicMs(): number {
    return this.#timeMs;
  }

  setTimeout(callback: () => void, delayMs: number): Timer {
    const due = { atMs: this.#timeMs + delayMs, callback };
    this.#timers.add(due);
    return { cancel: () => this.#timers.delete(due) };
  }

  /** Time passes, timer by timer; what each one starts gets its turn before the next. */
  async advance(durationMs: number): Promise<void> {
    const untilMs = this.#timeMs + durationMs;
    do await this.#settle();
    while (this.#callNext(untilMs));
    this.#timeMs = untilMs;
    await this.#settle();
  }

  /** The same at once: what the timers start has its turn later. */
  pass(durationMs: number): void {
    const untilMs = this.#timeMs + durationMs;
    while (this.#callNext(untilMs));
    this.#timeMs = untilMs;
  }

  #callNext(untilMs: number): boolean {
    let next: Due | undefined;
    for (const one of this.#timers) {
      if (next === undefined || one.atMs < next.atMs) next = one;
    }
    if (next === undefined || next.atMs > untilMs) return false;
    this.#timers.delete(next);
    this.#timeMs = Math.max(this.#timeMs, next.atMs);
    next.callback();
    return true;
  }
}

/** Lets everything run that needs no timer. */
export async function turns(count = 20): Promise<void> {
  for (let turn = 0; turn < count; turn++) await new Promise((resolve) => setImmediate(resolve));
}

/** The same for promises alone: it costs no time of the machine. */
export async function promiseTurns(): Promise<void> {
  for (let turn = 0; turn < 40; turn++) await Promise.resolve();
}
