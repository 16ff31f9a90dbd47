import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { judgeClocks } from "./clock-judge.js";
import { CLOCK_SKEW_MS_MAX } from "./limits.js";

const offsets = (...all: number[]) =>
  all.map((offsetMs, at) => ({ nodeId: `${at}`, name: `n${at}`, offsetMs, errorMs: 1 }));

describe("whose clock is off", () => {
  it("is decided by the median", () => {
    expect(judgeClocks(offsets(10, -20, 60_000)).off.map(({ name }) => name)).toEqual(["n2"]);
    // This node has a say too: else the lower of the two would be the time.
    expect(judgeClocks(offsets(-60_000, 5)).off.map(({ name }) => name)).toEqual(["n0"]);
    const own = judgeClocks(offsets(60_000, 60_010));
    expect(own).toMatchObject({ ownOffMs: -60_000, off: [] });
  });

  it("is not known of two, or of one alone", () => {
    expect(judgeClocks([])).toMatchObject({ ownOffMs: undefined, off: [] });
    expect(judgeClocks(offsets(60_000))).toMatchObject({ ownOffMs: undefined, asked: 1 });
    expect(judgeClocks(offsets(60_000)).off).toHaveLength(1);
    expect(judgeClocks(offsets(12))).toMatchObject({ ownOffMs: 0, off: [] });
  });

  it("is not known of two halves, so that one half cannot talk the other into it", () => {
    for (const lie of [-60_000, 60_000]) {
      const halves = judgeClocks(offsets(0, lie, lie));
      expect(halves).toEqual({ ownOffMs: undefined, off: [], asked: 3 });
      expect(judgeClocks(offsets(0, 0, lie)).off.map(({ name }) => name)).toEqual(["n2"]);
      expect(judgeClocks(offsets(0, 0, lie, lie)).off).toHaveLength(2);
    }
  });

  it("allows for how long the answer took", () => {
    const late = { nodeId: "a", name: "a", offsetMs: CLOCK_SKEW_MS_MAX + 500, errorMs: 900 };
    expect(judgeClocks([late, ...offsets(0)]).off).toEqual([]);
  });

  it("never blames the majority that agrees (property)", () => {
    const near = fc.integer({ min: -1_000, max: 1_000 });
    const far = fc.integer({ min: 20_000, max: 10_000_000 });
    fc.assert(
      fc.property(fc.array(near, { minLength: 2, maxLength: 7 }), fc.array(far), (good, bad) => {
        const wrong = bad.slice(0, good.length - 1);
        const { off, ownOffMs = 0 } = judgeClocks(offsets(...good, ...wrong));
        expect(off).toHaveLength(wrong.length);
        expect(Math.abs(ownOffMs)).toBeLessThanOrEqual(1_000);
      }),
    );
  });
});
