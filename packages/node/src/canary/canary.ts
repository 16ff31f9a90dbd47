/**
 * Runs the node's real work in small: each step does what a request would do, and says how long it
 * took and why it failed. Whoever asks within `CANARY_AGE_MS_MAX` gets the same result, and whoever
 * asks while it runs waits for that run: any number of probes causes one run each few seconds.
 *
 * A step that has not answered in `CANARY_STEP_MS_MAX` is failing (one that may be slow: unknown at
 * first), and is not begun again before it has ended, so that a stuck disk is not given more work.
 * Steps run side by side.
 */
import type { Clock } from "@hearthmesh/core";
import type { HealthCheck, HealthResponse } from "@hearthmesh/gateway/contracts";
import { CANARY_AGE_MS_MAX, CANARY_STEP_MS_MAX } from "./limits.js";

export interface CanaryStep {
  readonly name: string;
  /**
   * How long it may take in all; until then a late one is unknown and not failing. Default
   * `CANARY_STEP_MS_MAX`.
   */
  readonly patienceMs?: number;
  /**
   * Undefined when this node has nothing of the kind to try. What it throws is why the step is
   * failing.
   */
  run(signal: AbortSignal): Promise<StepOutcome | undefined>;
}

export type StepOutcome = Pick<HealthCheck, "status" | "reason">;

export const WELL: StepOutcome = { status: "ok" };

interface Run {
  readonly checks: readonly HealthCheck[];
  readonly endedAtMs: number;
}

export class Canary {
  readonly #steps: readonly CanaryStep[];
  readonly #clock: Clock;
  /** Steps that have not ended, with the moment at which they began. */
  readonly #underWay = new Map<CanaryStep, number>();
  #last: Run | undefined;
  #current: Promise<Run> | undefined;

  constructor(steps: readonly CanaryStep[], clock: Clock) {
    this.#steps = steps;
    this.#clock = clock;
  }

  /** The checks of a run that ended at most `ageMsMax` ago. Never rejects. */
  async checks(ageMsMax = CANARY_AGE_MS_MAX): Promise<HealthCheck[]> {
    const last = this.#last;
    const isFresh = last !== undefined && this.#ageMs(last) < ageMsMax;
    const run = isFresh ? last : await this.#run();
    const ageMs = Math.round(this.#ageMs(run));
    return run.checks.map((check) => ({ ...check, ageMs }));
  }

  async ready(): Promise<HealthResponse> {
    return worstOf(await this.checks());
  }

  #run(): Promise<Run> {
    this.#current ??= this.#runAll().finally(() => {
      this.#current = undefined;
    });
    return this.#current;
  }

  async #runAll(): Promise<Run> {
    const found = await Promise.all(this.#steps.map((step) => this.#runStep(step)));
    const checks = found.filter((check) => check !== undefined);
    this.#last = { checks, endedAtMs: this.#clock.monotonicMs() };
    return this.#last;
  }

  async #runStep(step: CanaryStep): Promise<HealthCheck | undefined> {
    const beganMs = this.#clock.monotonicMs();
    const sinceMs = this.#underWay.get(step);
    if (sinceMs !== undefined) return this.#stuck(step, sinceMs);
    this.#underWay.set(step, beganMs);
    const work = this.#begin(step);
    const late = deadline(this.#clock, CANARY_STEP_MS_MAX);
    const ended = await Promise.race([work, late.passed]);
    late.cancel();
    if (ended === "late") return this.#stuck(step, beganMs);
    if (ended === undefined) return undefined;
    const durationMs = Math.round(this.#clock.monotonicMs() - beganMs);
    return { name: step.name, ...ended, durationMs };
  }

  async #begin(step: CanaryStep): Promise<StepOutcome | undefined> {
    const stop = new AbortController();
    const timer = this.#clock.setTimeout(() => {
      stop.abort(new Error("the canary waits no longer"));
    }, patienceOf(step));
    const outcome = await settled(() => step.run(stop.signal));
    timer.cancel();
    this.#underWay.delete(step);
    return outcome;
  }

  #stuck(step: CanaryStep, sinceMs: number): HealthCheck {
    const durationMs = Math.round(this.#clock.monotonicMs() - sinceMs);
    const status = durationMs < patienceOf(step) ? "unknown" : "failing";
    return { name: step.name, status, reason: `no end after ${durationMs} ms`, durationMs };
  }

  #ageMs({ endedAtMs }: Run): number {
    return this.#clock.monotonicMs() - endedAtMs;
  }
}

function patienceOf({ patienceMs = CANARY_STEP_MS_MAX }: CanaryStep): number {
  return patienceMs;
}

/** A failure is an outcome. */
async function settled(
  run: () => Promise<StepOutcome | undefined>,
): Promise<StepOutcome | undefined> {
  try {
    return await run();
  } catch (error) {
    return { status: "failing", reason: reasonOf(error) };
  }
}

/** Whoever reaches the port may ask for health: where files lie is not for them. */
function reasonOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  const { path } = error as NodeJS.ErrnoException;
  return path === undefined ? error.message : error.message.replace(` '${path}'`, "");
}

function deadline(clock: Clock, delayMs: number) {
  let cancel: () => void = () => undefined;
  const passed = new Promise<"late">((resolve) => {
    const timer = clock.setTimeout(() => resolve("late"), delayMs);
    cancel = () => timer.cancel();
  });
  return { passed, cancel };
}

const SEVERITY = ["ok", "unknown", "degraded", "failing"] as const;

/** As healthy as the worst of its checks. */
export function worstOf(checks: HealthCheck[]): HealthResponse {
  const rank = Math.max(...checks.map((check) => SEVERITY.indexOf(check.status)));
  return { status: SEVERITY[rank] ?? "unknown", checks };
}
