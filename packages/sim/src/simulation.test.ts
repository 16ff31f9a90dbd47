/** Whole runs: a few seeds with faults, one without, and the proof that a run can be repeated. */
import { describe, expect, it } from "vitest";
import { runSimulation } from "./simulation.js";

const TIMEOUT_MS = 120_000;

describe("a whole mesh under simulation", () => {
  for (const seed of [1, 2, 3]) {
    it(`breaks no promise with seed ${seed}`, { timeout: TIMEOUT_MS }, async () => {
      const result = await runSimulation({ seed, steps: 12, storageNodes: 4 });
      expect(result.violations).toEqual([]);
      expect(result.succeeded).toBeGreaterThan(10);
    });
  }

  it("fails nothing in fair weather", { timeout: TIMEOUT_MS }, async () => {
    const result = await runSimulation({ seed: 4, steps: 12, storageNodes: 3, faults: 0 });
    expect(result.violations).toEqual([]);
    expect(result.failed).toBe(0);
  });

  it("gives exactly the same run for the same seed", { timeout: TIMEOUT_MS }, async () => {
    const run = (seed: number) => runSimulation({ seed, steps: 6, storageNodes: 4, faults: 8 });
    const [first, again, other] = [await run(5), await run(5), await run(6)];
    expect(again.lines).toEqual(first.lines);
    expect(again.traceHash).toBe(first.traceHash);
    expect(other.traceHash).not.toBe(first.traceHash);
  });
});
