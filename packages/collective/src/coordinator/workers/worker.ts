/**
 * Background work with a name: it runs when it is woken and after an interval, never twice at a
 * time, is visible while it does, and ends when it is stopped.
 *
 * States: stopped -> idle (start) -> running (due, woken, runOnce) -> idle -> stopped (stop).
 * A wake-up during a run starts another run after it, so that nothing that happened in between is
 * overlooked. An error ends the run, is counted and logged, and the next run comes in its time.
 */
import { type Clock, errorFields, type Logger, type Timer } from "@hearthmesh/core";

export type WorkerState = "stopped" | "idle" | "running";

export interface WorkerInspection {
  readonly name: string;
  readonly state: WorkerState;
  /** Things done since the start, such as chunks copied. */
  readonly done: number;
  readonly errors: number;
  /** Things known to be left. */
  readonly queue: number;
  /** When the last run ended. */
  readonly lastRunMs?: number;
}

export interface Worker {
  readonly name: string;
  readonly state: WorkerState;
  /** Resolves when a run that began after the call has ended; rejects when that run failed. */
  runOnce(): Promise<void>;
  inspect(): WorkerInspection;
}

/** What the work itself tells. */
export interface Progress {
  done(count: number): void;
  error(count: number): void;
}

export interface WorkerLoopOptions {
  readonly name: string;
  readonly intervalMs: number;
  readonly clock: Clock;
  readonly log: Logger;
  run(signal: AbortSignal, progress: Progress): Promise<void>;
  queue?(): number;
}

export class WorkerLoop implements Worker {
  readonly name: string;
  readonly #options: WorkerLoopOptions;
  readonly #log: Logger;
  #started = false;
  #stop = new AbortController();
  #timer: Timer | undefined;
  #wakeTimer: Timer | undefined;
  #running: Promise<void> | undefined;
  #next: Promise<void> | undefined;
  #done = 0;
  #errors = 0;
  #lastRunMs: number | undefined;

  constructor(options: WorkerLoopOptions) {
    this.name = options.name;
    this.#options = options;
    this.#log = options.log.child({ worker: options.name });
  }

  get state(): WorkerState {
    if (this.#running !== undefined) return "running";
    return this.#started ? "idle" : "stopped";
  }

  start(): void {
    if (this.#started) return;
    this.#started = true;
    this.#stop = new AbortController();
    this.#schedule();
  }

  async stop(): Promise<void> {
    this.#started = false;
    this.#timer?.cancel();
    this.#wakeTimer?.cancel();
    this.#wakeTimer = undefined;
    this.#stop.abort(new Error("the worker is stopping"));
    await this.#next?.catch(() => undefined);
    await this.#running?.catch(() => undefined);
  }

  /** Runs soon. Does nothing while the worker is stopped. */
  wake(): void {
    if (!this.#started) return;
    // Its failure is counted and logged where it happens.
    this.runOnce().catch(() => undefined);
  }

  /** Runs after this time, or earlier when another wake-up says so; many of them are one. */
  wakeIn(delayMs: number): void {
    if (!this.#started || this.#wakeTimer !== undefined) return;
    this.#wakeTimer = this.#options.clock.setTimeout(() => {
      this.#wakeTimer = undefined;
      this.wake();
    }, delayMs);
  }

  runOnce(): Promise<void> {
    if (this.#running === undefined) return this.#begin();
    this.#next ??= this.#running
      .catch(() => undefined)
      .then(() => {
        this.#next = undefined;
        return this.#begin();
      });
    return this.#next;
  }

  inspect(): WorkerInspection {
    return {
      name: this.name,
      state: this.state,
      done: this.#done,
      errors: this.#errors,
      queue: this.#options.queue?.() ?? 0,
      ...(this.#lastRunMs === undefined ? {} : { lastRunMs: this.#lastRunMs }),
    };
  }

  #begin(): Promise<void> {
    if (this.#running !== undefined) return this.runOnce();
    this.#timer?.cancel();
    const running = this.#run().finally(() => {
      this.#running = undefined;
      this.#schedule();
    });
    this.#running = running;
    return running;
  }

  async #run(): Promise<void> {
    const progress: Progress = {
      done: (count) => {
        this.#done += count;
      },
      error: (count) => {
        this.#errors += count;
      },
    };
    const { signal } = this.#stop;
    try {
      if (!signal.aborted) await this.#options.run(signal, progress);
    } catch (error) {
      if (signal.aborted) return;
      this.#errors++;
      this.#log.warn("a run of a worker failed", errorFields(error));
      throw error;
    } finally {
      this.#lastRunMs = this.#options.clock.nowMs();
    }
  }

  #schedule(): void {
    if (!this.#started) return;
    this.#timer?.cancel();
    this.#timer = this.#options.clock.setTimeout(() => this.wake(), this.#options.intervalMs);
  }
}
