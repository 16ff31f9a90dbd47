/**
 * How fast background work goes: by bytes (a bucket that is paid afterwards, so that a piece of any
 * size fits) and by share of time (rest in proportion to the work). Both hold at once; the longer
 * rest counts. While the worker is paused, `step` waits.
 *
 * Several callers may wait at a time: the bytes of all are counted together.
 */
import { type Clock, sleep } from "@hearthmesh/core";
import type { WorkerSettings } from "./worker-definition.js";

/** Rest for each unit of work while nobody uses the files: four fifths of the time are work. */
export const PACE_QUIET = 0.25;
/** The same while somebody does: a fifth of the time is work. */
export const PACE_BUSY = 4;
/** Shorter rests are saved up: a timer is not more exact than this. */
const REST_MS_MIN = 5;
/** One rest, after which the settings are looked at again. */
const REST_MS_MAX = 1_000;
/** Unused rate is kept for this long. */
const BURST_MS = 250;
const PAUSED_LOOK_MS = 1_000;

export interface PaceOptions {
  readonly clock: Clock;
  readonly signal: AbortSignal;
  readonly settings: () => WorkerSettings;
  /** Whether people and programs use the files now. */
  readonly busy?: () => boolean;
  /** Default `PACE_BUSY`. */
  readonly restWhileBusy?: number;
  /** A run that a person asked for goes on while the worker is paused. */
  readonly ignoresPause?: () => boolean;
}

export class Pace {
  readonly #options: PaceOptions;
  /** Steady clock: when the bytes so far are paid for. */
  #paidMs: number;
  #workedFromMs: number;
  #owedMs = 0;

  constructor(options: PaceOptions) {
    this.#options = options;
    const nowMs = options.clock.monotonicMs();
    this.#paidMs = nowMs;
    this.#workedFromMs = nowMs;
  }

  /** Work begins now: what lies between the last step and this was no work. */
  resume(): void {
    this.#workedFromMs = this.#options.clock.monotonicMs();
  }

  /** After a piece of work of so many bytes. Rejects with the signal's reason. */
  async step(bytes: number): Promise<void> {
    const { clock, signal, settings } = this.#options;
    signal.throwIfAborted();
    const nowMs = clock.monotonicMs();
    const { rateBytes } = settings();
    this.#owedMs += (nowMs - this.#workedFromMs) * this.#tranquility();
    this.#workedFromMs = nowMs;
    if (rateBytes !== undefined) {
      const fromMs = Math.max(this.#paidMs, nowMs - BURST_MS);
      this.#paidMs = fromMs + (bytes / rateBytes) * 1_000;
    }
    await this.#rest();
    await this.#whilePaused();
  }

  async #rest(): Promise<void> {
    const { clock, signal, settings } = this.#options;
    for (;;) {
      const nowMs = clock.monotonicMs();
      const unpaidMs = settings().rateBytes === undefined ? 0 : this.#paidMs - nowMs;
      const restMs = Math.min(Math.max(unpaidMs, this.#owedMs), REST_MS_MAX);
      if (restMs < REST_MS_MIN) return;
      await sleep(clock, restMs, signal);
      const endMs = clock.monotonicMs();
      this.#owedMs = Math.max(0, this.#owedMs - (endMs - nowMs));
      this.#workedFromMs = endMs;
      if (this.#owedMs > 0 && this.#tranquility() === 0) this.#owedMs = 0;
    }
  }

  async #whilePaused(): Promise<void> {
    const { clock, signal, settings, ignoresPause } = this.#options;
    while (settings().paused && ignoresPause?.() !== true) {
      await sleep(clock, PAUSED_LOOK_MS, signal);
      this.#workedFromMs = clock.monotonicMs();
    }
  }

  #tranquility(): number {
    const { settings, busy, restWhileBusy = PACE_BUSY } = this.#options;
    return settings().tranquility ?? (busy?.() === true ? restWhileBusy : PACE_QUIET);
  }
}
