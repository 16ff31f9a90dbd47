import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { GenerationEvent } from "../ring/generation.js";
import { RetoldAnswer } from "./retold-answer.js";

const text = (piece: string): GenerationEvent => ({ kind: "text", text: piece, tokens: [1] });

function cut(whole: string, sizes: readonly number[]): string[] {
  const found: string[] = [];
  let from = 0;
  for (const size of sizes) {
    found.push(whole.slice(from, from + size));
    from += size;
  }
  return [...found, whole.slice(from)];
}

describe("an answer told in several attempts", () => {
  it("is told once, wherever the attempts broke and however they were cut", () => {
    const sizes = fc.array(fc.integer({ min: 1, max: 5 }), { maxLength: 8 });
    fc.assert(
      fc.property(
        fc.string(),
        fc.array(fc.tuple(sizes, fc.nat(9)), { maxLength: 4 }),
        (whole, broken) => {
          const answer = new RetoldAnswer();
          let told = "";
          const take = (event: GenerationEvent) => {
            for (const out of answer.take(event)) if (out.kind === "text") told += out.text;
          };
          for (const [some, count] of broken) {
            answer.begin();
            for (const piece of cut(whole, some).slice(0, count)) take(text(piece));
            expect(whole.startsWith(told)).toBe(true);
          }
          answer.begin();
          for (const piece of cut(whole, [2, 3])) take(text(piece));
          expect(told).toBe(whole);
        },
      ),
    );
  });

  it("starts once, and counts an attempt as an epoch", () => {
    const answer = new RetoldAnswer();
    const started: GenerationEvent = { kind: "started", promptTokens: 1 };
    answer.begin();
    expect(answer.take(started)).toEqual([started]);
    answer.begin();
    expect(answer.take(started)).toEqual([]);
    const done = { kind: "done", timings: { epochs: 1 } } as GenerationEvent;
    expect(answer.take(done)).toEqual([{ kind: "done", timings: { epochs: 2 } }]);
  });

  it("ends when a leader never does", () => {
    const answer = new RetoldAnswer();
    answer.begin();
    const piece = text("x".repeat(1 << 20));
    for (let index = 0; index < 16; index++) answer.take(piece);
    expect(() => answer.take(piece)).toThrow("the answer has more than");
  });

  it("ends with an error instead of mixing two texts", () => {
    const answer = new RetoldAnswer();
    answer.begin();
    answer.take(text("Once upon a"));
    answer.begin();
    answer.take(text("Once "));
    expect(() => answer.take(text("there"))).toThrow("another text");
  });
});
