import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { ModelShape } from "../model/model-shape.js";
import { MODEL_SHAPES } from "../testing/model-shapes.js";
import { apportion } from "./apportion.js";
import { columnsOf } from "./columns.js";
import { RING_COLUMNS, type Span } from "./shard.js";
import { idlePositions, shardsOf, VOCABULARY_UNIT_ROWS, wholeShard } from "./shards-of.js";

const capacity = fc.oneof(
  fc.integer({ min: 1, max: 64 }),
  fc.integer({ min: 1, max: Number.MAX_SAFE_INTEGER }),
);
const capacities = fc.array(capacity, { minLength: 1, maxLength: 16 });
const shapes = Object.values(MODEL_SHAPES) as ModelShape[];
const anyShape = fc.constantFrom(...shapes);

const width = (span: Span | undefined) => (span === undefined ? -1 : span.to - span.from);

function expectCover(spans: readonly Span[], whole: number): void {
  let from = 0;
  for (const span of spans) {
    expect(span.from).toBe(from);
    expect(span.to).toBeGreaterThanOrEqual(from);
    from = span.to;
  }
  expect(from).toBe(whole);
}

describe("columnsOf", () => {
  it("cuts the ring of the guide in two halves of 4,096", () => {
    expect(columnsOf([1, 1])).toEqual([
      { from: 0, to: 4096 },
      { from: 4096, to: 8192 },
    ]);
    expect(columnsOf([16_000, 48_000])).toEqual([
      { from: 0, to: 2048 },
      { from: 2048, to: 8192 },
    ]);
  });

  it("covers the ring exactly, with a column for everyone, by capacity", () => {
    fc.assert(
      fc.property(capacities, (list) => {
        const spans = columnsOf(list);
        expectCover(spans, RING_COLUMNS);
        for (const [a, spanA] of spans.entries()) {
          expect(width(spanA)).toBeGreaterThanOrEqual(1);
          for (const [b, spanB] of spans.entries()) {
            if (list[a]! > list[b]!) expect(width(spanA)).toBeGreaterThanOrEqual(width(spanB));
            if (list[a] === list[b]) {
              expect(Math.abs(width(spanA) - width(spanB))).toBeLessThanOrEqual(1);
            }
          }
        }
      }),
      { numRuns: 200 },
    );
  });

  it("never takes a column from who raises its capacity alone", () => {
    fc.assert(
      fc.property(capacities, fc.nat(), fc.integer({ min: 1, max: 2 ** 40 }), (list, at, more) => {
        const index = at % list.length;
        const raised = Math.min(Number.MAX_SAFE_INTEGER, list[index]! + more);
        const before = columnsOf(list);
        const after = columnsOf(list.with(index, raised));
        expect(width(after[index])).toBeGreaterThanOrEqual(width(before[index]));
      }),
      { numRuns: 200 },
    );
  });

  it("gives each share to within one column of its exact part, but for the least share", () => {
    fc.assert(
      fc.property(fc.array(fc.integer({ min: 1, max: 100 }), { minLength: 1 }), (list) => {
        const total = list.reduce((sum, value) => sum + value, 0);
        for (const [index, span] of columnsOf(list).entries()) {
          const exact = (RING_COLUMNS * list[index]!) / total;
          if (exact >= 1) expect(Math.abs(width(span) - exact)).toBeLessThan(1 + 1e-9);
        }
      }),
    );
  });

  it("leaves out who has no capacity, and refuses what is none", () => {
    expect(columnsOf([])).toEqual([]);
    expect(columnsOf([0, 5, 0]).map(width)).toEqual([0, RING_COLUMNS, 0]);
    for (const wrong of [[0], [-1, 2], [0.5], [Number.NaN], [Number.POSITIVE_INFINITY]]) {
      expect(() => columnsOf(wrong)).toThrow(expect.objectContaining({ code: "MESH_BAD_REQUEST" }));
    }
    expect(() => columnsOf(Array.from({ length: RING_COLUMNS + 1 }, () => 1))).toThrow();
  });
});

describe("shardsOf", () => {
  it("covers heads, feed-forward columns and vocabulary exactly once, aligned", () => {
    fc.assert(
      fc.property(anyShape, capacities, (shape, list) => {
        const shards = shardsOf(shape, columnsOf(list));
        expect(shards.map(({ position }) => position)).toEqual(list.map((_, index) => index));
        expectCover(
          shards.map(({ kvHeads }) => kvHeads),
          shape.kvHeads,
        );
        expectCover(
          shards.map(({ feedForward }) => feedForward),
          shape.feedForwardWidth,
        );
        expectCover(
          shards.map(({ vocabulary }) => vocabulary),
          shape.vocabularySize,
        );
        for (const { members, kvHeads, feedForward, vocabulary } of shards) {
          expect(kvHeads.from % shape.kvHeadUnit).toBe(0);
          expect(members).toBe(list.length);
          expect(feedForward.from % shape.feedForwardUnit).toBe(0);
          const isEnd = vocabulary.from === shape.vocabularySize;
          if (!isEnd) expect(vocabulary.from % VOCABULARY_UNIT_ROWS).toBe(0);
        }
      }),
      { numRuns: 200 },
    );
  });

  it("never gives less of anything to more columns", () => {
    fc.assert(
      fc.property(anyShape, capacities, (shape, list) => {
        const shards = shardsOf(shape, columnsOf(list));
        const units = (span: Span) => Math.ceil(width(span) / shape.feedForwardUnit);
        for (const a of shards) {
          for (const b of shards) {
            if (width(a.columns) <= width(b.columns)) continue;
            expect(width(a.kvHeads)).toBeGreaterThanOrEqual(width(b.kvHeads));
            expect(units(a.feedForward)).toBeGreaterThanOrEqual(units(b.feedForward));
          }
        }
      }),
      { numRuns: 200 },
    );
  });

  it("shares the heads of models as a person would", () => {
    const heads = (shape: ModelShape, list: readonly number[]) =>
      shardsOf(shape, columnsOf(list)).map(({ kvHeads }) => width(kvHeads));
    expect(heads(MODEL_SHAPES.stories260K, [1, 1, 1])).toEqual([2, 1, 1]);
    expect(heads(MODEL_SHAPES.stories260K, [1, 1, 2])).toEqual([1, 1, 2]);
    expect(heads(MODEL_SHAPES.llama3Of8B, [1, 3])).toEqual([2, 6]);
    expect(heads(MODEL_SHAPES.qwen25Of05B, [1, 1, 1, 1])).toEqual([2, 0, 0, 0]);
    expect(heads({ ...MODEL_SHAPES.qwen25Of05B, kvHeadUnit: 1 }, [1, 1, 1, 1])).toEqual([
      1, 1, 0, 0,
    ]);
  });

  it("lets members without a head hold other parts, and names who would hold nothing", () => {
    const shards = shardsOf(MODEL_SHAPES.qwen25Of05B, columnsOf([4, 4, 4, 4]));
    expect(shards.every(({ feedForward }) => width(feedForward) > 0)).toBe(true);
    expect(idlePositions(shards)).toEqual([]);
    expect(idlePositions(shardsOf(MODEL_SHAPES.qwen25Of05B, columnsOf([1000, 1, 1000])))).toEqual([
      1,
    ]);
  });

  it("gives one member the whole model, and refuses spans with holes", () => {
    for (const shape of shapes) {
      expect(shardsOf(shape, columnsOf([7]))).toEqual([wholeShard(shape)]);
    }
    const shape = MODEL_SHAPES.tinyLlama;
    const whole = { from: 0, to: RING_COLUMNS };
    const wrong = [[], [{ from: 0, to: 8191 }], [{ from: 1, to: 8192 }], [whole, whole]];
    for (const spans of wrong) {
      expect(() => shardsOf(shape, spans)).toThrow(
        expect.objectContaining({ code: "MESH_BAD_REQUEST" }),
      );
    }
  });
});

describe("apportion", () => {
  it("is exact and equal for equal weights to within one", () => {
    fc.assert(
      fc.property(fc.nat(10_000), capacities, (pieces, weights) => {
        const shares = apportion(pieces, weights);
        expect(shares.reduce((sum, share) => sum + share, 0)).toBe(pieces);
        expect(Math.min(...shares)).toBeGreaterThanOrEqual(0);
      }),
    );
  });
});
