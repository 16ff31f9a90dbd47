/** How late the event loop was, and who kept it: perf_hooks and the CPU time of the process. */
import { type IntervalHistogram, monitorEventLoopDelay, performance } from "node:perf_hooks";
import type { Clock } from "@hearthmesh/core";
import { LOOP_SAMPLE_MS, LOOP_WINDOW_MS } from "./limits.js";

export interface LoopWindow {
  readonly durationMs: number;
  /** 99 of 100 timers were not later than this. */
  readonly lagP99Ms: number;
  readonly lagMaxMs: number;
  /** CPU time of the process by the duration: 1 is a whole core; more with threads. */
  readonly cpuPart: number;
  /** The part in which the loop had something to do. */
  readonly busyPart: number;
}

/** Measures while somebody wants it: from the first `begin` to the last `end`. */
export class LoopMeter {
  readonly #clock: Clock;
  #histogram: IntervalHistogram | undefined;
  #users = 0;
  #sinceMs = 0;
  #cpu = process.cpuUsage();
  #use = performance.eventLoopUtilization();
  #last: LoopWindow | undefined;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  begin(): void {
    if (this.#users++ > 0) return;
    this.#histogram = monitorEventLoopDelay({ resolution: LOOP_SAMPLE_MS });
    this.#histogram.enable();
    this.#mark();
  }

  end(): void {
    if (--this.#users > 0) return;
    this.#histogram?.disable();
    this.#histogram = undefined;
    this.#last = undefined;
  }

  /** The last whole window; undefined before there was one. */
  window(): LoopWindow | undefined {
    const histogram = this.#histogram;
    const durationMs = this.#clock.monotonicMs() - this.#sinceMs;
    if (histogram === undefined || durationMs < LOOP_WINDOW_MS) return this.#last;
    const { user, system } = process.cpuUsage(this.#cpu);
    // The histogram counts the time between two samples, of which the interval itself is no delay.
    const lateMs = (nanoseconds: number) => Math.max(0, nanoseconds / 1e6 - LOOP_SAMPLE_MS);
    this.#last = {
      durationMs,
      lagP99Ms: histogram.count === 0 ? 0 : lateMs(histogram.percentile(99)),
      lagMaxMs: histogram.count === 0 ? 0 : lateMs(histogram.max),
      cpuPart: (user + system) / 1_000 / durationMs,
      busyPart: performance.eventLoopUtilization(this.#use).utilization,
    };
    this.#mark();
    return this.#last;
  }

  #mark(): void {
    this.#histogram?.reset();
    this.#sinceMs = this.#clock.monotonicMs();
    this.#cpu = process.cpuUsage();
    this.#use = performance.eventLoopUtilization();
  }
}
