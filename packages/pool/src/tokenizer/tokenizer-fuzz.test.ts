/** Vocabularies of strangers: whatever the lists hold, there is a tokenizer or a typed error. */
import { isMeshError } from "@hearthmesh/core";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { Gguf, GgufValue } from "../gguf/gguf.js";
import type { Tokenizer } from "./tokenizer.js";
import { TokenDecoder } from "./tokenizer.js";
import { tokenizerOf } from "./tokenizer-of.js";

const piece = fc.oneof(
  fc.string({
    unit: fc.constantFrom("a", "b", "\u0120", "\u2581", "<", ">", "|", "-", " "),
    maxLength: 4,
  }),
  fc.constantFrom("<0x41>", "<0xZZ>", "<0x", "</s>", "<|im_end|>", "", "[", "(", "\\", "\u{1f999}"),
  fc.string({ unit: "grapheme", maxLength: 3 }),
);
const score = fc.oneof(
  fc.integer({ min: -5, max: 5 }),
  fc.constantFrom(Number.NaN, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY),
);

const vocabulary = fc
  .record({
    model: fc.constantFrom("llama", "gpt2"),
    pre: fc.constantFrom("gpt-2", "llama-bpe", "default", "tekken", "deepseek-coder"),
    tokens: fc.array(piece, { minLength: 1, maxLength: 40 }),
    // Pieces of two, of one and of three; the lists are made as long as the tokens.
    merges: fc.array(
      fc.array(piece, { minLength: 1, maxLength: 3 }).map((parts) => parts.join(" ")),
      { maxLength: 30 },
    ),
    scores: fc.array(score, { minLength: 40, maxLength: 40 }),
    types: fc.array(fc.integer({ min: -1, max: 8 }), { minLength: 40, maxLength: 40 }),
    eos: fc.nat(60),
  })
  .map(({ model, pre, tokens, merges, scores, types, eos }) => {
    const count = tokens.length;
    return new Map<string, GgufValue>([
      ["tokenizer.ggml.model", { type: "string", value: model }],
      ["tokenizer.ggml.pre", { type: "string", value: pre }],
      ["tokenizer.ggml.tokens", { type: "array", of: "string", values: tokens }],
      ["tokenizer.ggml.merges", { type: "array", of: "string", values: merges }],
      ["tokenizer.ggml.scores", { type: "array", of: "f32", values: scores.slice(0, count) }],
      ["tokenizer.ggml.token_type", { type: "array", of: "i32", values: types.slice(0, count) }],
      ["tokenizer.ggml.eos_token_id", { type: "u32", value: eos }],
    ]);
  });

function opened(metadata: Map<string, GgufValue>): Tokenizer | undefined {
  const file = { version: 3, alignmentBytes: 32, dataOffset: 0, sizeBytes: 0 } as const;
  try {
    return tokenizerOf({ ...file, metadata, tensors: new Map() } satisfies Gguf);
  } catch (error) {
    if (isMeshError(error, "MESH_MODEL_DAMAGED")) return undefined;
    throw error;
  }
}

describe("vocabularies of strangers", () => {
  it("give tokens of the vocabulary, and text, for any text", () => {
    const text = fc.array(piece, { maxLength: 12 }).map((parts) => parts.join(""));
    let seen = 0;
    fc.assert(
      fc.property(vocabulary, text, fc.boolean(), (metadata, words, parseControl) => {
        const tokenizer = opened(metadata);
        if (tokenizer === undefined) return;
        seen += 1;
        const guarded = tokenizer.guard(words);
        const decoder = new TokenDecoder(tokenizer, { dropFirstSpace: true });
        for (const source of [words, guarded]) {
          const ids = tokenizer.encode(source, { addSpecial: true, parseControl });
          for (const id of ids) {
            expect(id >= 0 && id < tokenizer.size).toBe(true);
            expect(typeof decoder.push(id)).toBe("string");
          }
        }
        decoder.end();
      }),
      { numRuns: 400 },
    );
    expect(seen).toBeGreaterThan(100);
  });
});
