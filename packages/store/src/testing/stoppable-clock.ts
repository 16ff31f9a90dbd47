/** A clock of a machine that can be stopped, put to sleep, run too fast, or have its time set. */
import type { Clock, Timer } from "@hearthmesh/core";

interface WaitingTimer {
  readonly atMs: number;
  readonly callback: () => void;
}

export class StoppableClock implements Clock {
  readonly #rate: number;
  readonly #timers = new Set<WaitingTimer>();
  #elapsedMs = 0;
  #wallOffsetMs = 0;
  #mode: "running" | "stopped" | "asleep" = "running";

  /** `rate`: its milliseconds for each true one. */
  constructor(rate = 1) {
    this.#rate = rate;
  }

  get isRunning(): boolean {
    return this.#mode === "running";
  }

  nowMs(): number {
    return this.#elapsedMs + this.#wallOffsetMs;
  }

  monotonicMs(): number {
    return this.#elapsedMs;
  }

  setTimeout(callback: () => void, delayMs: number): Timer {
    const timer = { atMs: this.#elapsedMs + delayMs, callback };
    this.#timers.add(timer);
    return { cancel: () => this.#timers.delete(timer) };
  }

  /** While it is stopped, time goes on and nothing is called; asleep, only the time of day does. */
  advance(trueMs: number): void {
    const durationMs = trueMs * this.#rate;
    if (this.#mode === "asleep") this.#wallOffsetMs += durationMs;
    else this.#elapsedMs += durationMs;
    if (this.#mode === "running") this.#callDue();
  }

  /** As by SIGSTOP, or as when the lid is closed. */
  stop(mode: "stopped" | "asleep"): void {
    if (this.#mode === "running") this.#mode = mode;
  }

  /** What fell due meanwhile is called now, late. */
  resume(): void {
    this.#mode = "running";
    this.#callDue();
  }

  setTimeOfDay(differenceMs: number): void {
    this.#wallOffsetMs += differenceMs;
  }

  #callDue(): void {
    for (const timer of [...this.#timers].sort((a, b) => a.atMs - b.atMs)) {
      if (timer.atMs > this.#elapsedMs || !this.#timers.delete(timer)) continue;
      timer.callback();
    }
  }
}
