/**
 * Time that moves only when everything has been done. Nothing waits for the real clock: when the
 * code under simulation has nothing left to do, time leaps to the next timer.
 *
 * The rule that makes a run repeatable: one timer fires, then all that follows from it without
 * another timer runs to its end, then the next timer fires. Code under simulation may use promises,
 * `process.nextTick` and the clock it was handed. It may not touch a real timer, socket, file or
 * the thread pool, because those finish in an order that no seed decides (`real-time-trap.ts`
 * watches).
 */
import { setImmediate as afterThisTurn } from "node:timers";
import type { Clock, Timer } from "@hearthmesh/core";
import { TimerQueue } from "./timer-queue.js";

/**
 * Turns of the real event loop granted to code that uses setImmediate, such as a test that polls.
 * Their number is fixed, so that a run with such code can be repeated too.
 */
const DRAIN_TURNS_MAX = 20;

export interface VirtualClockOptions {
  /** Milliseconds since 1970 at which the simulation begins. */
  startMs: number;
}

export function virtualClock(options: VirtualClockOptions): VirtualClock {
  return new VirtualClock(options);
}

/** What one simulated process sees: its own wall clock, and timers that stop with the process. */
export interface ClockView extends Clock {
  /** Moves the wall clock; monotonic time and timers do not notice. */
  jump(byMs: number): void;
  /** Wall clock minus true time. */
  readonly offsetMs: number;
  /** No timer fires before this long from now (a process that was stopped, or starved). */
  stall(forMs: number): void;
  /** No timer of this view ever fires again: the process is dead. */
  halt(): void;
}

export class VirtualClock implements Clock {
  readonly #startMs: number;
  readonly #queue = new TimerQueue();
  #elapsedMs = 0;
  #order = 0;

  constructor(options: VirtualClockOptions) {
    this.#startMs = options.startMs;
  }

  nowMs(): number {
    return Math.floor(this.#startMs + this.#elapsedMs);
  }

  monotonicMs(): number {
    return this.#elapsedMs;
  }

  setTimeout(callback: () => void, delayMs: number): Timer {
    const wait = Math.max(delayMs || 0, 0);
    const timer = {
      dueMs: this.#elapsedMs + wait,
      order: this.#order++,
      run: callback,
      cancelled: false,
    };
    this.#queue.push(timer);
    return {
      cancel() {
        timer.cancelled = true;
      },
    };
  }

  view(): ClockView {
    return new View(this);
  }

  /** Fires the next timer and lets everything that follows from it happen. False: there is none. */
  async step(): Promise<boolean> {
    await drain();
    const timer = this.#queue.pop();
    if (timer === undefined) return false;
    this.#elapsedMs = Math.max(this.#elapsedMs, timer.dueMs);
    timer.run();
    await drain();
    return true;
  }

  /** Fires everything that is due up to this monotonic time, which is then the present. */
  async runUntil(monotonicMs: number): Promise<void> {
    await drain();
    for (;;) {
      const next = this.#queue.peek();
      if (next === undefined || next.dueMs > monotonicMs) break;
      await this.step();
    }
    this.#elapsedMs = Math.max(this.#elapsedMs, monotonicMs);
  }

  async runFor(durationMs: number): Promise<void> {
    await this.runUntil(this.#elapsedMs + durationMs);
  }

  /** Until no timer is left; throws when one is still due after `limitMs` more. */
  async runUntilIdle(limitMs: number): Promise<void> {
    const endMs = this.#elapsedMs + limitMs;
    await drain();
    for (;;) {
      const next = this.#queue.peek();
      if (next === undefined) return;
      if (next.dueMs > endMs) throw new Error(`the simulation is not idle after ${limitMs} ms`);
      await this.step();
    }
  }

  /**
   * Until the promise settles, and gives what it gives. Throws when nothing is left that could ever
   * settle it, or when `limitMs` have passed: in both cases something waits for ever.
   */
  async runUntilSettled<Value>(promise: Promise<Value>, limitMs: number): Promise<Value> {
    const endMs = this.#elapsedMs + limitMs;
    let settled = false;
    const noteSettled = () => {
      settled = true;
    };
    promise.then(noteSettled, noteSettled);
    await drain();
    while (!settled) {
      const next = this.#queue.peek();
      if (next === undefined) throw new Error("the simulation waits for something without a timer");
      if (next.dueMs > endMs) throw new Error(`nothing came of it within ${limitMs} ms`);
      await this.step();
    }
    return promise;
  }
}

class View implements ClockView {
  readonly #clock: VirtualClock;
  #offsetMs = 0;
  #stalledUntilMs = 0;
  #halted = false;

  constructor(clock: VirtualClock) {
    this.#clock = clock;
  }

  get offsetMs(): number {
    return this.#offsetMs;
  }

  nowMs(): number {
    return this.#clock.nowMs() + this.#offsetMs;
  }

  monotonicMs(): number {
    return this.#clock.monotonicMs();
  }

  setTimeout(callback: () => void, delayMs: number): Timer {
    let cancelled = false;
    let timer: Timer;
    const fire = () => {
      if (this.#halted || cancelled) return;
      const stalledMs = this.#stalledUntilMs - this.#clock.monotonicMs();
      if (stalledMs > 0) timer = this.#clock.setTimeout(fire, stalledMs);
      else callback();
    };
    timer = this.#clock.setTimeout(fire, delayMs);
    return {
      cancel() {
        cancelled = true;
        timer.cancel();
      },
    };
  }

  jump(byMs: number): void {
    this.#offsetMs += byMs;
  }

  stall(forMs: number): void {
    this.#stalledUntilMs = Math.max(this.#stalledUntilMs, this.#clock.monotonicMs() + forMs);
  }

  halt(): void {
    this.#halted = true;
  }
}

/**
 * Returns when nothing is left to run before the next timer. Node runs `nextTick` callbacks and
 * promise reactions until none is left before it turns its loop, so a single turn is enough for
 * code that keeps the rules; further turns are given only while an immediate is pending.
 */
async function drain(): Promise<void> {
  for (let turn = 0; turn < DRAIN_TURNS_MAX; turn++) {
    await new Promise<void>((resolve) => afterThisTurn(resolve));
    if (!process.getActiveResourcesInfo().includes("Immediate")) return;
  }
}
