import { ManualClock, turns } from "@hearthmesh/core/testing";
import { describe, expect, it } from "vitest";
import { PACE_BUSY, PACE_QUIET, Pace } from "./pace.js";
import type { WorkerSettings } from "./worker-definition.js";

function paced(settings: Partial<WorkerSettings> = {}) {
  const clock = new ManualClock();
  const stop = new AbortController();
  const state = { settings: { paused: false, ...settings }, busy: false };
  const pace = new Pace({
    ...{ clock, signal: stop.signal },
    settings: () => state.settings,
    busy: () => state.busy,
  });
  /** Works for so long, then steps; resolves to how long the step took. */
  const step = async (workMs: number, bytes: number): Promise<number> => {
    await clock.advance(workMs);
    const fromMs = clock.monotonicMs();
    let ended = false;
    const stepping = pace.step(bytes).finally(() => {
      ended = true;
    });
    await turns();
    while (!ended) await clock.advance(1);
    await stepping;
    return clock.monotonicMs() - fromMs;
  };
  return { clock, stop, state, pace, step };
}

describe("the pace", () => {
  it("rests in proportion to the work, more while files are used", async () => {
    const { step, state } = paced();
    expect(await step(1_000, 0)).toBe(1_000 * PACE_QUIET);
    state.busy = true;
    expect(await step(100, 0)).toBe(100 * PACE_BUSY);
    state.settings = { paused: false, tranquility: 0 } as typeof state.settings;
    expect(await step(1_000, 0)).toBe(0);
  });

  it("saves up rests that are too short for a timer", async () => {
    const { step } = paced({ tranquility: 1 });
    const rests: number[] = [];
    for (let count = 0; count < 10; count++) rests.push(await step(1, 0));
    expect(rests.reduce((sum, rest) => sum + rest, 0)).toBe(10);
    expect(rests.filter((rest) => rest > 0).length).toBeLessThan(4);
  });

  it("keeps to its rate for pieces of any size, together with the share of time", async () => {
    const { step } = paced({ tranquility: 0, rateBytes: 1_000_000 });
    let took = 0;
    for (const bytes of [1, 500_000, 2_000_000, 10]) took += await step(0, bytes);
    expect(took).toBeGreaterThan(2_000);
    expect(took).toBeLessThanOrEqual(2_510);
  });

  it("does not lend what was not used for long", async () => {
    const { step } = paced({ tranquility: 0, rateBytes: 1_000 });
    await step(60_000, 1);
    expect(await step(0, 2_000)).toBeGreaterThan(1_500);
  });

  it("waits while it is paused, and ends when the worker stops", async () => {
    const { clock, pace, state, stop } = paced({ tranquility: 0 });
    state.settings = { paused: true };
    let ended = false;
    const waiting = pace.step(0).then(() => {
      ended = true;
    });
    await clock.advance(10_000);
    expect(ended).toBe(false);
    state.settings = { paused: false };
    await clock.advance(1_000);
    await waiting;
    state.settings = { paused: true };
    const stopped = expect(pace.step(0)).rejects.toThrow("stop");
    await turns();
    stop.abort(new Error("stop"));
    await stopped;
  });
});
