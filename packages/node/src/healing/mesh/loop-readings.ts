/** How late the event loop was, and who kept it: a timer's lateness and the process's CPU time. */
import { performance } from "node:perf_hooks";
import type { Clock, Timer } from "@hearthmesh/core";
import { LOOP_SAMPLE_MS, LOOP_SAMPLES_MAX, LOOP_WINDOW_MS } from "./limits.js";

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

/**
 * Measures while somebody wants it: from the first `begin` to the last `end`. A timer of its own,
 * not `monitorEventLoopDelay`: that one forgets the moment before when it is reset, and so the very
 * pause that the reader of a window has just woken from.
 */
export class LoopMeter {
  readonly #clock: Clock;
  #timer: Timer | undefined;
  #dueMs = 0;
  /** How late each sample of this window was; in milliseconds. */
  #lateMs: number[] = [];
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
    this.#arm();
    this.#mark();
  }

  end(): void {
    if (--this.#users > 0) return;
    this.#timer?.cancel();
    this.#timer = undefined;
    this.#last = undefined;
  }

  /** The last whole window; undefined before there was one. */
  window(): LoopWindow | undefined {
    const nowMs = this.#clock.monotonicMs();
    const durationMs = nowMs - this.#sinceMs;
    if (this.#timer === undefined || durationMs < LOOP_WINDOW_MS) return this.#last;
    const { user, system } = process.cpuUsage(this.#cpu);
    // The sample that is due now has not come yet, and is as late already.
    const lateMs = [...this.#lateMs, Math.max(0, nowMs - this.#dueMs)].sort((a, b) => a - b);
    this.#last = {
      durationMs,
      lagP99Ms: lateMs[Math.ceil(lateMs.length * 0.99) - 1] ?? 0,
      lagMaxMs: lateMs.at(-1) ?? 0,
      cpuPart: (user + system) / 1_000 / durationMs,
      busyPart: performance.eventLoopUtilization(this.#use).utilization,
    };
    this.#mark();
    return this.#last;
  }

  #arm(): void {
    this.#dueMs = this.#clock.monotonicMs() + LOOP_SAMPLE_MS;
    this.#timer = this.#clock.setTimeout(() => {
      if (this.#lateMs.length >= LOOP_SAMPLES_MAX) this.#lateMs.shift();
      this.#lateMs.push(Math.max(0, this.#clock.monotonicMs() - this.#dueMs));
      this.#arm();
    }, LOOP_SAMPLE_MS);
  }

  #mark(): void {
    this.#lateMs = [];
    this.#sinceMs = this.#clock.monotonicMs();
    // What a late sample has been counted with is not counted again when it comes.
    this.#dueMs = Math.max(this.#dueMs, this.#sinceMs);
    this.#cpu = process.cpuUsage();
    this.#use = performance.eventLoopUtilization();
  }
}
