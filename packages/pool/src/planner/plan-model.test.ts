import type { NodeId } from "@hearthmesh/core";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { RING_COLUMNS } from "../shards/shard.js";
import { MODEL_SHAPES } from "../testing/model-shapes.js";
import { splitCandidate, wholeCandidate } from "./candidates.js";
import { breakEvenRoundTripMs, exchangeMs, exchangesPerToken } from "./cost-model.js";
import { breakEvenOf } from "./explain-plan.js";
import { EMPTY_HISTORY, learn, readHistory } from "./history.js";
import {
  CORRECTION_FACTOR_MAX,
  EXCHANGE_OVERHEAD_MS,
  EXCHANGE_VALUE_MS,
  HISTORY_ENTRIES_MAX,
  SPLIT_GAIN_MIN,
} from "./limits.js";
import { planModel } from "./plan-model.js";
import type { PlannerInput, PlannerLink, PlannerMember } from "./planner-input.js";

const GIB = 2 ** 30;
const SIZES = { contextTokens: 2048, sequencesMax: 4, batchRowsMax: 64, threads: 1 };

function member(name: string, gigabytesPerSecond: number, memoryGib: number): PlannerMember {
  return {
    nodeId: name as NodeId,
    name,
    unavailable: undefined,
    memoryBytes: memoryGib * GIB,
    bandwidthBytesPerSecond: gigabytesPerSecond * 1e9,
  };
}

function everyLink(members: readonly PlannerMember[], roundTripMs: number): PlannerLink[] {
  return members.flatMap(({ nodeId: a }, index) =>
    members.slice(index + 1).map(({ nodeId: b }) => ({
      ...{ a, b, roundTripMs, relayed: false },
      bytesPerSecond: 117e6,
    })),
  );
}

function input(
  members: readonly PlannerMember[],
  more: Partial<PlannerInput> & { roundTripMs?: number } = {},
): PlannerInput {
  return {
    modelId: "m",
    modelName: "tiny",
    shape: MODEL_SHAPES.tinyLlama,
    sizes: SIZES,
    self: "a" as NodeId,
    members,
    links: everyLink(members, more.roundTripMs ?? 0.1),
    history: EMPTY_HISTORY,
    leader: undefined,
    only: undefined,
    ...more,
  };
}

describe("the planner", () => {
  it("splits over two equal machines on a fast link, and not on a slow one", () => {
    const two = [member("a", 15, 4), member("b", 15, 4)];
    const fast = planModel(input(two));
    expect(fast.chosen?.row).toMatchObject({ placement: "T", names: ["a", "b"] });
    const slow = planModel(input(two, { roundTripMs: 3 }));
    expect(slow.chosen?.row).toMatchObject({ placement: "R", names: ["a"] });
    expect(slow.leftOut).toEqual([
      { name: "b", reason: expect.stringContaining("the whole request goes to a; alone") },
    ]);
    expect(slow.text.join(" ")).toMatch(/as fast .* at a round trip of \d+\.\d\d ms/);
  });

  it("gives more columns to the faster member, as its bandwidth says", () => {
    const { chosen } = planModel(input([member("a", 10, 8), member("b", 30, 8)], { only: "T" }));
    const [a, b] = chosen?.shards ?? [];
    expect(a?.columns.to).toBeCloseTo(RING_COLUMNS / 4, -2);
    expect(b?.kvHeads).toEqual({ from: 1, to: 4 });
  });

  it("gives equal shares to members that differ by no more than a measurement does", () => {
    const { chosen } = planModel(input([member("a", 15, 8), member("b", 13.6, 8)], { only: "T" }));
    expect(chosen?.shards[0]?.columns.to).toBe(RING_COLUMNS / 2);
  });

  it("moves what does not fit to the members that have room", () => {
    const { chosen } = planModel(input([member("a", 30, 0.25), member("b", 10, 8)], { only: "T" }));
    expect(chosen?.row.memoryBytesPerMember[0]).toBeLessThanOrEqual(0.25 * GIB);
    expect(chosen?.shards[1]?.columns.to).toBe(RING_COLUMNS);
  });

  it("splits what fits on no member alone, however slow the link", () => {
    const plan = planModel(
      input([member("a", 15, 0.5), member("b", 15, 0.5)], { roundTripMs: 10 }),
    );
    expect(plan.chosen?.row.placement).toBe("T");
    expect(plan.text).toContain("It fits on no member alone.");
  });

  it("says how many bytes are missing when it fits nowhere, and that many are enough", () => {
    const plan = planModel(input([member("a", 15, 0.2), member("b", 15, 0.2)]));
    expect(plan.chosen).toBeUndefined();
    const missing = plan.missingBytes ?? 0;
    expect(missing).toBeGreaterThan(0);
    expect(plan.text[0]).toContain(`${missing} bytes`);
    const more = 0.2 + (missing * 1.2) / GIB;
    expect(planModel(input([member("a", 15, more), member("b", 15, more)])).chosen).toBeDefined();
  });

  it("leaves a weak member out, and says what it would cost", () => {
    const members = [member("a", 15, 4), member("b", 15, 4), member("pi", 0.2, 4)];
    const { chosen, leftOut } = planModel(input(members));
    expect(chosen?.row.names).toEqual(["a", "b"]);
    expect(leftOut).toEqual([
      { name: "pi", reason: expect.stringMatching(/^with it .*without it/) },
    ]);
  });

  it("never puts a ring over a relay or an unknown delay", () => {
    const two = [member("a", 15, 4), member("b", 15, 4)];
    for (const change of [{ relayed: true }, { roundTripMs: undefined }]) {
      const links = everyLink(two, 0.1).map((link) => ({ ...link, ...change }));
      const plan = planModel(input(two, { links }));
      expect(plan.chosen?.row.placement).toBe("R");
      expect(plan.candidates.find(({ row }) => row.placement === "T")?.row.reason).toMatch(
        /only a relay|is not known/,
      );
    }
  });

  it("keeps the request here when another member is not clearly faster", () => {
    const near = planModel(input([member("a", 15, 4), member("b", 15.3, 4)], { only: "R" }));
    expect(near.chosen?.row.names).toEqual(["a"]);
    const far = planModel(input([member("a", 15, 4), member("b", 30, 4)], { only: "R" }));
    expect(far.chosen?.row.names).toEqual(["b"]);
  });

  it("has a row for the pipeline that says that it comes later", () => {
    const { candidates } = planModel(input([member("a", 15, 4), member("b", 15, 4)]));
    const row = candidates.find(({ row }) => row.placement === "P")?.row;
    expect(row).toMatchObject({ tokensPerSecond: undefined });
    expect(row?.reason).toContain("later");
  });

  it("plans only what the leader is part of, when there is one", () => {
    const members = [member("a", 2, 8), member("b", 15, 8), member("c", 15, 8)];
    expect(planModel(input(members)).chosen?.row.names).toEqual(["b", "c"]);
    const led = planModel(input(members, { leader: "a" as NodeId })).chosen;
    expect(led?.row.names).toContain("a");
    const many = Array.from({ length: 12 }, (_, index) => member(`n${index}`, 9, 8));
    const last = planModel(input(many, { leader: "n11" as NodeId, only: "T" })).chosen;
    expect(last?.row.names).toContain("n11");
  });

  it("names members that are away", () => {
    const away = { ...member("b", 15, 4), unavailable: "offline" };
    const { leftOut, chosen } = planModel(input([member("a", 15, 4), away]));
    expect(chosen?.row.names).toEqual(["a"]);
    expect(leftOut).toEqual([{ name: "b", reason: "offline" }]);
  });

  it("finds a ring among many members", () => {
    const members = Array.from({ length: 14 }, (_, index) => member(`n${index}`, 5 + index, 1));
    const { chosen } = planModel(input(members, { shape: MODEL_SHAPES.llama3Of8B }));
    expect(chosen?.row.placement).toBe("T");
    expect(chosen?.row.names.length).toBeGreaterThan(5);
  });
});

describe("the break-even delay", () => {
  it("is where the choice turns, and moves as the formula says", () => {
    fc.assert(
      fc.property(
        fc.double({ min: 2, max: 60, noNaN: true }),
        fc.constantFrom(MODEL_SHAPES.tinyLlama, MODEL_SHAPES.llama3Of8B, MODEL_SHAPES.qwen25Of7B),
        (bandwidth, shape) => {
          const members = [member("a", bandwidth, 64), member("b", bandwidth, 64)];
          const at = (roundTripMs: number) => input(members, { shape, roundTripMs });
          const whole = wholeCandidate(at(0), members[0]!);
          const breakEvenMs = breakEvenOf(at(0), whole, splitCandidate(at(0), members)) ?? 0;
          if (breakEvenMs <= 0.02) return;
          const speed = (roundTripMs: number) =>
            splitCandidate(at(roundTripMs), members).row.tokensPerSecond ?? 0;
          const alone = whole.row.tokensPerSecond ?? 0;
          expect(speed(breakEvenMs)).toBeCloseTo(alone, 6);
          const wins = planModel(at(breakEvenMs * 0.5)).chosen?.row.placement;
          const gain = speed(breakEvenMs * 0.5) / alone - 1;
          expect(wins).toBe(gain > SPLIT_GAIN_MIN ? "T" : "R");
          expect(planModel(at(breakEvenMs * 1.1)).chosen?.row.placement).toBe("R");
        },
      ),
      { numRuns: 40 },
    );
  });
});

describe("an exchange", () => {
  const way = { roundTripMs: 0.2, bytesPerSecond: 117e6 };
  const narrow = MODEL_SHAPES.tinyLlama;
  const wide = { ...narrow, embeddingWidth: 2 * narrow.embeddingWidth };

  it("takes longer with the width and the members by what they compute and send", () => {
    const { embeddingWidth } = narrow;
    const sendMs = ((2 * embeddingWidth) / way.bytesPerSecond) * 1000;
    const computeMs = 2 * embeddingWidth * EXCHANGE_VALUE_MS;
    const least = way.roundTripMs / 2 + EXCHANGE_OVERHEAD_MS;
    expect(exchangeMs(narrow, 2, way)).toBeCloseTo(least + sendMs + computeMs, 9);
    expect(exchangeMs(wide, 2, way)).toBeCloseTo(least + 2 * (sendMs + computeMs), 9);
    expect(exchangeMs(narrow, 4, way)).toBeCloseTo(least + 3 * sendMs + 2 * computeMs, 9);
    expect(exchangeMs(narrow, 1, way)).toBe(0);
  });

  it("is waited for twice in a layer, and the line twice more for a token", () => {
    expect(exchangesPerToken(narrow)).toBe(2 * narrow.layers + 2);
    const [aloneMs, ringMs] = [30, 15];
    const roundTripMs = breakEvenRoundTripMs(narrow, aloneMs, ringMs, 2, way.bytesPerSecond);
    const each = exchangeMs(narrow, 2, { ...way, roundTripMs });
    expect(ringMs + (2 * narrow.layers + 2) * each).toBeCloseTo(aloneMs, 9);
  });
});

describe("any plan", () => {
  const anyMember = fc.record({
    bandwidth: fc.double({ min: 0.5, max: 100, noNaN: true }),
    memory: fc.double({ min: 0.05, max: 8, noNaN: true }),
  });

  it("fits, covers every column once, and is at least as fast as any other row", () => {
    fc.assert(
      fc.property(
        fc.array(anyMember, { minLength: 1, maxLength: 5 }),
        fc.double({ min: 0.05, max: 5, noNaN: true }),
        (some, roundTripMs) => {
          const members = some.map(({ bandwidth, memory }, index) =>
            member(`n${index}`, bandwidth, memory),
          );
          const { chosen, candidates, missingBytes } = planModel(
            input(members, { roundTripMs, self: "n0" as NodeId }),
          );
          if (chosen === undefined) {
            expect(missingBytes).toBeGreaterThan(0);
            return;
          }
          for (const [index, one] of chosen.members.entries()) {
            expect(chosen.row.memoryBytesPerMember[index]).toBeLessThanOrEqual(one.memoryBytes);
          }
          expect(chosen.shards[0]?.columns.from).toBe(0);
          expect(chosen.shards.at(-1)?.columns.to).toBe(RING_COLUMNS);
          const best = Math.max(...candidates.map(({ row }) => row.tokensPerSecond ?? 0));
          const speed = chosen.row.tokensPerSecond ?? 0;
          expect(speed * (1 + SPLIT_GAIN_MIN) ** 2).toBeGreaterThanOrEqual(best);
        },
      ),
      { numRuns: 150 },
    );
  });

  it("does not get worse when a member gets faster", () => {
    fc.assert(
      fc.property(fc.array(anyMember, { minLength: 2, maxLength: 4 }), (some) => {
        const at = (factor: number) =>
          planModel(
            input(
              some.map(({ bandwidth }, index) =>
                member(`n${index}`, index === 0 ? bandwidth * factor : bandwidth, 8),
              ),
              { self: "n0" as NodeId },
            ),
          ).chosen?.row.tokensPerSecond ?? 0;
        expect(at(2) * (1 + SPLIT_GAIN_MIN) ** 2).toBeGreaterThanOrEqual(at(1));
      }),
      { numRuns: 60 },
    );
  });
});

describe("what was observed", () => {
  const two = [member("a", 15, 4), member("b", 15, 4)];
  const observe = (tokensPerSecond: number, exchangeMs?: number) => {
    const { chosen } = planModel(input(two, { only: "T" }));
    return learn(EMPTY_HISTORY, {
      modelId: "m",
      placement: "T",
      nodeIds: ["b", "a"] as NodeId[],
      predicted: chosen!.predicted!,
      tokensPerSecond,
      exchangeMs,
    });
  };

  it("turns the choice when a ring is slower than was predicted", () => {
    expect(planModel(input(two)).chosen?.row.placement).toBe("T");
    const history = observe(12);
    const plan = planModel(input(two, { history }));
    expect(plan.chosen?.row.placement).toBe("R");
    const split = plan.candidates.find(({ row }) => row.placement === "T");
    expect(split?.row.tokensPerSecond).toBeCloseTo(12, 6);
  });

  it("corrects by a bounded factor, and takes no numbers that are none", () => {
    const plain = planModel(input(two, { only: "T" })).chosen!.row.tokensPerSecond!;
    const { chosen } = planModel(input(two, { only: "T", history: observe(0.001) }));
    expect(chosen?.row.tokensPerSecond).toBeCloseTo(plain / CORRECTION_FACTOR_MAX, 6);
    for (const strange of [0, -1, Number.NaN]) expect(observe(strange)).toEqual(EMPTY_HISTORY);
  });

  it("takes the time of exchanges for every model of these members", () => {
    const history = observe(Number.NaN, 0.9);
    const before = planModel(input(two, { modelId: "other", only: "T" }));
    const after = planModel(input(two, { modelId: "other", only: "T", history }));
    expect(after.chosen!.row.tokensPerSecond!).toBeLessThan(before.chosen!.row.tokensPerSecond!);
  });

  it("is bounded, and a damaged record of it is an empty one", () => {
    let history = EMPTY_HISTORY;
    const predicted = { tokensPerSecond: 1, exchangeMs: 0 };
    for (let index = 0; index < HISTORY_ENTRIES_MAX + 5; index++) {
      const nodeIds = [`n${index}`] as NodeId[];
      const observation = { modelId: "m", placement: "R", nodeIds, predicted } as const;
      history = learn(history, { ...observation, tokensPerSecond: 2, exchangeMs: undefined });
    }
    expect(history.corrections).toHaveLength(HISTORY_ENTRIES_MAX);
    expect(readHistory(JSON.parse(JSON.stringify(history)))).toEqual(history);
    for (const bad of [undefined, 1, [], { v: 2 }, { v: 1, corrections: [{ key: 1 }, null] }]) {
      expect(readHistory(bad)).toEqual(EMPTY_HISTORY);
    }
  });
});
