import { isMeshError } from "@hearthmesh/core";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { SamplingOptions } from "../ring/generation.js";
import { type SliceCandidates, sliceCandidates } from "./candidates.js";
import { SAMPLING_CANDIDATES_MAX } from "./limits.js";
import { candidatesNeeded, Sampler } from "./sampler.js";
import { Xoshiro128 } from "./xoshiro128.js";

const GREEDY: SamplingOptions = { temperature: 0, topP: 1, topK: 0, minP: 0, seed: 1 };
const WARM: SamplingOptions = { ...GREEDY, temperature: 1 };

/** Slices of these logits, cut at the places given. */
function cut(logits: readonly number[], cuts: readonly number[], count: number): SliceCandidates[] {
  const edges = [0, ...[...cuts].sort((a, b) => a - b), logits.length];
  return edges.slice(1).map((to, at) => {
    const from = edges[at] ?? 0;
    return sliceCandidates(Float32Array.from(logits.slice(from, to)), from, count);
  });
}

function drawn(logits: readonly number[], options: SamplingOptions, times: number): number[] {
  const sampler = new Sampler(options, logits.length);
  const slices = cut(logits, [], candidatesNeeded(options));
  return Array.from({ length: times }, () => sampler.next(slices));
}

/** Tokens that can come at all. */
const possible = (logits: readonly number[], options: Partial<SamplingOptions>) =>
  [...new Set(drawn(logits, { ...WARM, ...options }, 2000))].sort((a, b) => a - b);

function codeOf(action: () => unknown): string {
  try {
    action();
    return "none";
  } catch (error) {
    return isMeshError(error) ? error.code : String(error);
  }
}

/** Probabilities 0.4, 0.3, 0.2, 0.06, 0.04. */
const FIVE = [0.4, 0.3, 0.2, 0.06, 0.04].map(Math.log);

describe("candidates of a slice", () => {
  it("are the likeliest, best first, and of equal ones the lowest id", () => {
    const { ids, logits } = sliceCandidates(Float32Array.of(1, 3, 2, 3, -1), 10, 3);
    expect([...ids]).toEqual([11, 13, 12]);
    expect([...logits]).toEqual([3, 3, 2]);
  });

  it("are those that sorting finds, with the sum over all", () => {
    const logit = fc.oneof(
      fc.integer({ min: -3, max: 3 }),
      fc.float({ min: -50, max: 50, noNaN: true }),
      fc.constant(Number.NEGATIVE_INFINITY),
    );
    fc.assert(
      fc.property(fc.array(logit), fc.nat(20), (logits, count) => {
        const { ids, logSumExp } = sliceCandidates(Float32Array.from(logits), 5, count);
        const order = logits.map((value, at) => ({ value, id: at + 5 }));
        order.sort((a, b) => (b.value === a.value ? a.id - b.id : b.value > a.value ? 1 : -1));
        expect([...ids]).toEqual(order.slice(0, count).map(({ id }) => id));
        const sum = logits.reduce((total, value) => total + Math.exp(value), 0);
        if (sum === 0) expect(logSumExp).toBe(Number.NEGATIVE_INFINITY);
        else expect(logSumExp).toBeCloseTo(Math.log(sum), 6);
      }),
    );
  });

  it("refuses what is no number", () => {
    for (const bad of [Number.NaN, Number.POSITIVE_INFINITY]) {
      const logits = Float32Array.of(0, bad, 1);
      expect(codeOf(() => sliceCandidates(logits, 0, 2))).toBe("MESH_ENGINE_FAILED");
    }
  });
});

describe("greedy", () => {
  it("takes the likeliest, and of equal ones the lowest id, however the vocabulary is cut", () => {
    const logits = fc.array(fc.integer({ min: 0, max: 3 }), { minLength: 1, maxLength: 12 });
    fc.assert(
      fc.property(logits, fc.array(fc.nat(12), { maxLength: 3 }), (values, cuts) => {
        const within = cuts.map((place) => Math.min(place, values.length));
        const token = new Sampler(GREEDY, values.length).next(cut(values, within, 1));
        expect(token).toBe(values.indexOf(Math.max(...values)));
      }),
    );
  });

  it("asks for one candidate", () => {
    expect(candidatesNeeded(GREEDY)).toBe(1);
    expect(candidatesNeeded({ ...WARM, topK: 40 })).toBe(40);
    expect(candidatesNeeded(WARM)).toBe(SAMPLING_CANDIDATES_MAX);
  });
});

describe("drawing", () => {
  it("draws as often as the probabilities say", () => {
    const counts = new Array<number>(5).fill(0);
    for (const token of drawn(FIVE, { ...WARM, seed: 7 }, 20_000)) counts[token]! += 1;
    const shares = counts.map((count) => count / 20_000);
    for (const [at, share] of [0.4, 0.3, 0.2, 0.06, 0.04].entries()) {
      expect(shares[at]).toBeCloseTo(share, 1.7);
    }
  });

  it("is the same for the same seed and another for another", () => {
    const run = (seed: number) => drawn(FIVE, { ...WARM, seed }, 50);
    expect(run(3)).toEqual(run(3));
    expect(run(3)).not.toEqual(run(4));
    expect(run(-1)).toEqual(run(-1));
  });

  it("is the same however the vocabulary is cut", () => {
    const logits = Array.from({ length: 40 }, (_, at) => Math.sin(at * 7) * 3);
    const options = fc.record({
      temperature: fc.constantFrom(0.5, 1, 2),
      topP: fc.constantFrom(1, 0.9, 0.5),
      topK: fc.constantFrom(0, 1, 5, 40),
      minP: fc.constantFrom(0, 0.05, 0.5),
      seed: fc.nat(),
    });
    fc.assert(
      fc.property(options, fc.array(fc.nat(40), { maxLength: 4 }), (chosen, cuts) => {
        const count = candidatesNeeded(chosen);
        const one = new Sampler(chosen, 40);
        const many = new Sampler(chosen, 40);
        for (let time = 0; time < 10; time += 1) {
          expect(many.next(cut(logits, cuts, count))).toBe(one.next(cut(logits, [], count)));
        }
      }),
    );
  });

  it("top k, top p, min p and temperature leave what they should", () => {
    expect(possible(FIVE, { topK: 2 })).toEqual([0, 1]);
    expect(possible(FIVE, { topP: 0.65 })).toEqual([0, 1]);
    expect(possible(FIVE, { topP: 0.75 })).toEqual([0, 1, 2]);
    expect(possible(FIVE, { topP: 0 })).toEqual([0]);
    expect(possible(FIVE, { minP: 0.45 })).toEqual([0, 1, 2]);
    expect(possible(FIVE, { minP: 1 })).toEqual([0]);
    // Of 0.4 and 0.3 alone, the first has 0.57.
    expect(possible(FIVE, { topK: 2, topP: 0.5 })).toEqual([0]);
    expect(possible(FIVE, { topK: 3, topP: 0.5 })).toEqual([0, 1]);
    // Temperature comes last, so it changes nothing about what top p left.
    expect(possible(FIVE, { topP: 0.75, temperature: 50 })).toEqual([0, 1, 2]);
    expect(possible(FIVE, { temperature: 0.01 })).toEqual([0]);
  });

  it("top p is of the whole vocabulary, also where not all of it is looked at", () => {
    // The first has 0.4; each of the others 0.0002.
    const logits = [Math.log(0.4), ...new Array<number>(3000).fill(Math.log(0.0002))];
    const found = possible(logits, { topP: 0.5 });
    expect(Math.max(...found)).toBeGreaterThan(300);
    expect(Math.max(...found)).toBeLessThanOrEqual(501);
  });

  it("never draws what is forbidden", () => {
    const logits = [0, Number.NEGATIVE_INFINITY, 0];
    expect(possible(logits, {})).toEqual([0, 2]);
  });
});

describe("what cannot be", () => {
  const slice = (ids: number[], logits: number[], logSumExp = 0): SliceCandidates => ({
    ids: Int32Array.from(ids),
    logits: Float32Array.from(logits),
    logSumExp,
  });

  it("comes from a member that is wrong", () => {
    const next = (...slices: SliceCandidates[]) => codeOf(() => new Sampler(WARM, 10).next(slices));
    const invalid = "MESH_RING_FRAME_INVALID";
    expect(next(slice([1], [Number.NaN]))).toBe(invalid);
    expect(next(slice([1], [Number.POSITIVE_INFINITY]))).toBe(invalid);
    expect(next(slice([1], [0], Number.NaN))).toBe(invalid);
    expect(next(slice([10], [0]))).toBe(invalid);
    expect(next(slice([-1], [0]))).toBe(invalid);
    expect(next(slice([1, 2], [0]))).toBe(invalid);
    expect(next()).toBe(invalid);
    expect(next(slice([1], [Number.NEGATIVE_INFINITY]))).toBe(invalid);
  });

  it("comes from a request that is wrong", () => {
    const bad = [{ temperature: -1 }, { temperature: Number.NaN }, { topP: 2 }, { minP: -0.1 }];
    for (const each of [...bad, { topK: 0.5 }, { topK: -1 }, { seed: 2 ** 60 }]) {
      expect(codeOf(() => new Sampler({ ...WARM, ...each }, 10))).toBe("MESH_BAD_REQUEST");
    }
  });
});

describe("xoshiro128**", () => {
  it("gives the numbers of its authors' program", () => {
    // Computed apart from this code: SplitMix64 of seed 42, then xoshiro128** 1.1.
    const random = new Xoshiro128(42);
    expect(Array.from({ length: 4 }, () => random.word())).toEqual([
      1776835114, 4165204688, 17111135, 2317295270,
    ]);
  });

  it("gives numbers from 0 to below 1", () => {
    const random = new Xoshiro128(9);
    for (let time = 0; time < 1000; time += 1) {
      const value = random.float();
      expect(value >= 0 && value < 1).toBe(true);
    }
  });
});
