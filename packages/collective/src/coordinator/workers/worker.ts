/**
 * Background work with a name: it runs when it is woken and after an interval, never twice at a
 * time, is visible while it does, and ends when it is stopped.
 *
 * States: stopped -> idle (start) -> running (due, woken, runOnce) -> idle -> stopped (stop).
 * A wake-up during a run starts another run after it, so that nothing that happened in between is
 * overlooked. An error ends the run, is counted and logged, and the next run comes in its time.
 * While it is paused, nothing wakes it but a person, and a run that is under way waits at its next
 * step; what woke it meanwhile counts when it goes on.
 */
import { type Clock, errorFields, isMeshError, type Logger, type Timer } from "@hearthmesh/core";
import { PACE_BUSY, Pace } from "./pace.js";
import {
  type Progress,
  STANDARD_SETTINGS,
  type WorkerDefinition,
  type WorkerSettings,
} from "./worker-definition.js";

export type { Progress } from "./worker-definition.js";

/** A run that is overdue at the start waits this long: the nodes have to come first. */
const FIRST_DELAY_MS_MIN = 60_000;

export type WorkerState = "stopped" | "idle" | "running" | "paused";

/** How the last run ended. Times are of the wall clock. */
export interface LastRun {
  readonly atMs: number;
  readonly tookMs: number;
  readonly done: number;
  readonly errors: number;
  readonly bytes: number;
}

export interface WorkerError {
  readonly atMs: number;
  readonly code: string;
  readonly message: string;
}

export interface WorkerInspection {
  readonly name: string;
  readonly purpose: string;
  readonly state: WorkerState;
  /** Things done since the start, such as chunks copied. */
  readonly done: number;
  readonly errors: number;
  readonly bytes: number;
  /** Things known to be left. */
  readonly queue: number;
  /** Runs that ended since the start. */
  readonly runs: number;
  /** Of the run that is under way. */
  readonly position?: string;
  /** From 0 to 1, of the run that is under way; absent when nobody can say. */
  readonly portion?: number;
  /** When the last run ended. */
  readonly lastRunMs?: number;
  readonly lastRun?: LastRun;
  readonly lastError?: WorkerError;
  /** When the next run is due; absent while it is stopped or paused. */
  readonly nextRunMs?: number;
  readonly intervalMs: number;
  readonly settings: WorkerSettings;
}

export interface Worker {
  readonly name: string;
  readonly state: WorkerState;
  /** Resolves when a run that began after the call has ended; rejects when that run failed. */
  runOnce(asked?: boolean): Promise<void>;
  /** Resolves when no run is under way, whether the last one failed or not. */
  ended(): Promise<void>;
  inspect(): WorkerInspection;
}

export interface WorkerLoopOptions extends Omit<WorkerDefinition, "purpose"> {
  readonly purpose?: string;
  readonly clock: Clock;
  readonly log: Logger;
  /** Whether people and programs use the files now. */
  busy?(): boolean;
  onEnd?(run: LastRun, error: WorkerError | undefined): void;
}

/** What is told of one run. */
class RunProgress implements Progress {
  doneCount = 0;
  errorCount = 0;
  byteCount = 0;
  position: string | undefined;
  share: number | undefined;
  readonly #pace: Pace;
  readonly #settings: () => WorkerSettings;

  constructor(
    readonly asked: boolean,
    pace: Pace,
    settings: () => WorkerSettings,
  ) {
    this.#pace = pace;
    this.#settings = settings;
  }

  get settings(): WorkerSettings {
    return this.#settings();
  }

  done(count: number): void {
    this.doneCount += count;
  }

  error(count: number): void {
    this.errorCount += count;
  }

  bytes(count: number): void {
    this.byteCount += count;
  }

  at(position: string): void {
    this.position = position;
  }

  portion(share: number | undefined): void {
    this.share = share === undefined ? undefined : Math.min(1, Math.max(0, share));
  }

  pace(bytes: number): Promise<void> {
    return this.#pace.step(bytes);
  }
}

export class WorkerLoop implements Worker {
  readonly name: string;
  readonly #options: WorkerLoopOptions;
  readonly #log: Logger;
  #started = false;
  #stop = new AbortController();
  #timer: Timer | undefined;
  #dueMs: number | undefined;
  #wakeTimer: Timer | undefined;
  #running: Promise<void> | undefined;
  #next: Promise<void> | undefined;
  #nextAsked = false;
  #present: RunProgress | undefined;
  #wokenWhilePaused = false;
  #settings = STANDARD_SETTINGS;
  #done = 0;
  #errors = 0;
  #bytes = 0;
  #runs = 0;
  #lastRun: LastRun | undefined;
  #lastError: WorkerError | undefined;

  constructor(options: WorkerLoopOptions) {
    this.name = options.name;
    this.#options = options;
    this.#log = options.log.child({ worker: options.name });
  }

  get state(): WorkerState {
    if (this.#running !== undefined && this.#present?.asked === true) return "running";
    if (this.#started && this.#settings.paused) return "paused";
    if (this.#running !== undefined) return "running";
    return this.#started ? "idle" : "stopped";
  }

  get isRunning(): boolean {
    return this.#running !== undefined;
  }

  /** What an earlier leader left; told before `start`. */
  recall(lastRun: LastRun | undefined, lastError: WorkerError | undefined): void {
    this.#lastRun = lastRun;
    this.#lastError = lastError;
  }

  /** Takes effect at once: a run that is under way goes on as they say from its next step. */
  configure(settings: WorkerSettings): void {
    const wasPaused = this.#settings.paused;
    this.#settings = settings;
    if (!this.#started) return;
    if (settings.paused) {
      this.#timer?.cancel();
      this.#dueMs = undefined;
      return;
    }
    this.#schedule();
    if (wasPaused && this.#wokenWhilePaused) this.wake();
  }

  start(): void {
    if (this.#started) return;
    this.#started = true;
    this.#stop = new AbortController();
    this.#schedule(this.#firstDelayMs());
    if (this.#options.runsAtStart === true) this.wake();
  }

  async stop(): Promise<void> {
    this.#started = false;
    this.#timer?.cancel();
    this.#dueMs = undefined;
    this.#wakeTimer?.cancel();
    this.#wakeTimer = undefined;
    this.#stop.abort(new Error("the worker is stopping"));
    await this.#next?.catch(() => undefined);
    await this.#running?.catch(() => undefined);
  }

  /** Runs soon. Does nothing while the worker is stopped. */
  wake(): void {
    if (!this.#started) return;
    if (this.#settings.paused) {
      this.#wokenWhilePaused = true;
      return;
    }
    this.#wokenWhilePaused = false;
    // Its failure is counted and logged where it happens.
    this.runOnce(false).catch(() => undefined);
  }

  /** Runs after this time, or earlier when another wake-up says so; many of them are one. */
  wakeIn(delayMs: number): void {
    if (!this.#started || this.#wakeTimer !== undefined) return;
    this.#wakeTimer = this.#options.clock.setTimeout(() => {
      this.#wakeTimer = undefined;
      this.wake();
    }, delayMs);
  }

  runOnce(asked = true): Promise<void> {
    if (this.#running === undefined) return this.#begin(asked);
    this.#nextAsked ||= asked;
    this.#next ??= this.#running
      .catch(() => undefined)
      .then(() => {
        this.#next = undefined;
        const isAsked = this.#nextAsked;
        this.#nextAsked = false;
        return this.#begin(isAsked);
      });
    return this.#next;
  }

  async ended(): Promise<void> {
    while (this.#running !== undefined) await this.#running.catch(() => undefined);
  }

  inspect(): WorkerInspection {
    const { queue, purpose = "" } = this.#options;
    const run = this.#present;
    const lastRun = this.#lastRun;
    return {
      name: this.name,
      purpose,
      state: this.state,
      done: this.#done + (run?.doneCount ?? 0),
      errors: this.#errors + (run?.errorCount ?? 0),
      bytes: this.#bytes + (run?.byteCount ?? 0),
      queue: queue?.() ?? 0,
      runs: this.#runs,
      ...(run?.position === undefined ? {} : { position: run.position }),
      ...(run?.share === undefined ? {} : { portion: run.share }),
      ...(lastRun === undefined ? {} : { lastRunMs: lastRun.atMs, lastRun }),
      ...(this.#lastError === undefined ? {} : { lastError: this.#lastError }),
      ...(this.#dueMs === undefined ? {} : { nextRunMs: this.#dueMs }),
      intervalMs: this.#intervalMs,
      settings: this.#settings,
    };
  }

  #begin(asked: boolean): Promise<void> {
    if (this.#running !== undefined) return this.runOnce(asked);
    this.#timer?.cancel();
    this.#dueMs = undefined;
    const running = this.#run(asked).finally(() => {
      this.#running = undefined;
      this.#present = undefined;
      this.#schedule();
    });
    this.#running = running;
    return running;
  }

  async #run(asked: boolean): Promise<void> {
    const { clock, busy, restWhileBusy = PACE_BUSY } = this.#options;
    const { signal } = this.#stop;
    const settings = () => this.#settings;
    const ignoresPause = () => asked || this.#nextAsked;
    const pace = new Pace({
      ...{ clock, signal, settings, ignoresPause, restWhileBusy },
      ...(busy === undefined ? {} : { busy }),
    });
    const progress = new RunProgress(asked, pace, settings);
    this.#present = progress;
    const beganMs = clock.monotonicMs();
    let failure: WorkerError | undefined;
    try {
      if (!signal.aborted) await this.#options.run(signal, progress);
    } catch (error) {
      if (signal.aborted) return;
      progress.error(1);
      failure = errorOf(error, clock.nowMs());
      this.#log.warn("a run of a worker failed", errorFields(error));
      throw error;
    } finally {
      this.#ended(progress, clock.monotonicMs() - beganMs, failure);
    }
  }

  #ended(progress: RunProgress, tookMs: number, failure: WorkerError | undefined): void {
    const { doneCount: done, errorCount: errors, byteCount: bytes } = progress;
    this.#present = undefined;
    this.#done += done;
    this.#errors += errors;
    this.#bytes += bytes;
    this.#runs++;
    this.#lastRun = { atMs: this.#options.clock.nowMs(), tookMs, done, errors, bytes };
    if (failure !== undefined) this.#lastError = failure;
    if (!this.#stop.signal.aborted) this.#options.onEnd?.(this.#lastRun, failure);
  }

  get #intervalMs(): number {
    return this.#settings.intervalMs ?? this.#options.intervalMs;
  }

  /** A weekly worker of a coordinator that starts every day still runs every week. */
  #firstDelayMs(): number {
    if (this.#lastRun === undefined) return this.#intervalMs;
    const agoMs = Math.max(0, this.#options.clock.nowMs() - this.#lastRun.atMs);
    const leftMs = Math.max(this.#intervalMs - agoMs, FIRST_DELAY_MS_MIN);
    return Math.min(this.#intervalMs, leftMs);
  }

  #schedule(delayMs = this.#intervalMs): void {
    if (!this.#started || this.#settings.paused) return;
    this.#timer?.cancel();
    const { clock } = this.#options;
    this.#dueMs = clock.nowMs() + delayMs;
    this.#timer = clock.setTimeout(() => this.wake(), delayMs);
  }
}

function errorOf(error: unknown, atMs: number): WorkerError {
  const code = isMeshError(error) ? error.code : "MESH_INTERNAL";
  return { atMs, code, message: error instanceof Error ? error.message : String(error) };
}
