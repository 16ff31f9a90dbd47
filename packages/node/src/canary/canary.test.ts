import { readFile } from "node:fs/promises";
import { ManualClock } from "@hearthmesh/core/testing";
import type { InferenceService, InferenceStats } from "@hearthmesh/pool";
import { describe, expect, it } from "vitest";
import { Canary, type CanaryStep, WELL, worstOf } from "./canary.js";
import { CANARY_AGE_MS_MAX, CANARY_STEP_MS_MAX } from "./limits.js";
import { tokenStep } from "./token-step.js";

function stepOf(run: CanaryStep["run"], patienceMs?: number): CanaryStep & { runs: number } {
  const step = {
    name: "work",
    runs: 0,
    ...(patienceMs === undefined ? {} : { patienceMs }),
    run: (signal: AbortSignal) => {
      step.runs++;
      return run(signal);
    },
  };
  return step;
}

describe("a canary", () => {
  it("runs once for any number of probes, and again when the result is old", async () => {
    const clock = new ManualClock();
    const step = stepOf(async () => WELL);
    const canary = new Canary([step], clock);
    const answers = await Promise.all(Array.from({ length: 1_000 }, () => canary.ready()));
    expect(step.runs).toBe(1);
    expect(answers.every(({ status }) => status === "ok")).toBe(true);
    clock.pass(CANARY_AGE_MS_MAX - 1);
    expect((await canary.ready()).checks[0]).toMatchObject({ ageMs: CANARY_AGE_MS_MAX - 1 });
    expect(step.runs).toBe(1);
    clock.pass(1);
    await canary.ready();
    expect(step.runs).toBe(2);
  });

  it("says why a step fails, and leaves out what is not there", async () => {
    const failing = stepOf(() => Promise.reject(new Error("no space left on device")));
    const absent = stepOf(async () => undefined);
    const canary = new Canary([failing, absent], new ManualClock());
    expect(await canary.ready()).toEqual({
      status: "failing",
      checks: [
        {
          ...{ name: "work", status: "failing", reason: "no space left on device" },
          ...{ durationMs: 0, ageMs: 0 },
        },
      ],
    });
  });

  it("does not tell strangers where files lie", async () => {
    const step = stepOf(async () => {
      await readFile("/nowhere/of/this/node");
      return WELL;
    });
    const [check] = await new Canary([step], new ManualClock()).checks();
    expect(check?.reason).toBe("ENOENT: no such file or directory, open");
  });

  it("waits for no step longer than its limit, and begins a stuck one once", async () => {
    const clock = new ManualClock();
    let aborted = false;
    const step = stepOf((signal) => {
      signal.addEventListener("abort", () => {
        aborted = true;
      });
      return new Promise(() => undefined);
    });
    const canary = new Canary([step], clock);
    const first = canary.ready();
    await Promise.resolve();
    clock.pass(CANARY_STEP_MS_MAX);
    expect((await first).checks[0]).toMatchObject({
      status: "failing",
      reason: "no end after 3000 ms",
    });
    expect(aborted).toBe(true);
    clock.pass(CANARY_AGE_MS_MAX);
    expect((await canary.ready()).status).toBe("failing");
    expect(step.runs).toBe(1);
  });

  it("calls a step that may be slow unknown at first", async () => {
    const clock = new ManualClock();
    const step = stepOf(() => new Promise(() => undefined), CANARY_STEP_MS_MAX * 4);
    const canary = new Canary([step], clock);
    const first = canary.ready();
    await Promise.resolve();
    clock.pass(CANARY_STEP_MS_MAX);
    expect((await first).status).toBe("unknown");
    clock.pass(CANARY_STEP_MS_MAX * 4);
    expect((await canary.ready()).status).toBe("failing");
  });

  it("is as well as the worst of its checks", () => {
    const of = (...all: ("ok" | "unknown" | "degraded" | "failing")[]) =>
      worstOf(all.map((status) => ({ name: "x", status }))).status;
    expect(of("ok", "unknown")).toBe("unknown");
    expect(of("unknown", "degraded")).toBe("degraded");
    expect(of("degraded", "failing", "ok")).toBe("failing");
  });
});

describe("the token of a canary", () => {
  const loaded = { model: "demo", placement: "R", members: [], worker: { epoch: 1 } };

  function serviceOf(given: Partial<InferenceStats>) {
    const stats = { jobsRunning: 0, jobsWaiting: 0, jobsCompleted: 0, jobsFailed: 0, ...given };
    const state = { asked: 0, stats: { tokensGenerated: 0, models: [], ...stats } };
    const generate = async function* () {
      state.asked++;
      state.stats = { ...state.stats, jobsCompleted: state.stats.jobsCompleted + 1 };
      yield { kind: "done", finishReason: "length", completionTokens: 1 };
    };
    const service = { generate, stats: async () => state.stats } as unknown as InferenceService;
    return { state, step: tokenStep({ inference: () => service }) };
  }
  const { signal } = new AbortController();

  it("is not asked for while no model is loaded", async () => {
    const { state, step } = serviceOf({});
    expect(await step.run(signal)).toBeUndefined();
    expect(state.asked).toBe(0);
  });

  it("is asked for once in an idle time, so that no model stays loaded for it", async () => {
    const { state, step } = serviceOf({ models: [loaded] as never });
    expect(await step.run(signal)).toEqual(WELL);
    expect(await step.run(signal)).toEqual(WELL);
    expect(state.asked).toBe(1);
    state.stats = { ...state.stats, jobsCompleted: state.stats.jobsCompleted + 1 };
    expect(await step.run(signal)).toEqual(WELL);
    expect(state.asked).toBe(2);
  });

  it("is never asked for beside requests, whose tokens are the proof", async () => {
    const { state, step } = serviceOf({ models: [loaded] as never, jobsRunning: 1 });
    expect(await step.run(signal)).toMatchObject({ status: "unknown" });
    state.stats = { ...state.stats, tokensGenerated: 5 };
    expect(await step.run(signal)).toEqual(WELL);
    expect(await step.run(signal)).toMatchObject({ status: "unknown" });
    expect(state.asked).toBe(0);
  });
});
