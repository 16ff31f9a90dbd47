import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { Gguf, GgufValue } from "../gguf/gguf.js";
import { tinyBpeVocabulary } from "../testing/tiny-bpe-vocabulary.js";
import { tinyVocabulary } from "../testing/tiny-vocabulary.js";
import { PROMPT_BYTES_MAX } from "./limits.js";
import { TokenDecoder, type Tokenizer } from "./tokenizer.js";
import { tokenizerOf } from "./tokenizer-of.js";

function made(metadata: ReadonlyMap<string, GgufValue>): Tokenizer {
  const file = { version: 3, alignmentBytes: 32, dataOffset: 0, sizeBytes: 0 } as const;
  return tokenizerOf({ ...file, metadata, tensors: new Map() } satisfies Gguf);
}

function numbersOf(metadata: ReadonlyMap<string, GgufValue>, key: string): number[] {
  const entry = metadata.get(key);
  return entry?.type === "array" ? entry.values.map(Number) : [];
}

const spm = () => made(tinyVocabulary(600));
const bpe = (pre = "gpt-2") => made(tinyBpeVocabulary(pre));
const PLAIN = { addSpecial: false, parseControl: false };
const TEMPLATE = { addSpecial: false, parseControl: true };

function textsOf(tokenizer: Tokenizer, text: string, options = PLAIN): string[] {
  return tokenizer.encode(text, options).map((id) => tokenizer.vocabulary.texts[id] ?? "?");
}

function decoded(tokenizer: Tokenizer, ids: readonly number[]): string {
  const decoder = new TokenDecoder(tokenizer, { dropFirstSpace: true });
  return ids.map((id) => decoder.push(id)).join("") + decoder.end();
}

/** Any text that people may send, with what is awkward in it more often. */
const anyText = fc
  .array(
    fc.oneof(
      fc.string({ unit: "grapheme", maxLength: 8 }),
      fc.constantFrom("<|im_start|>", "<|im_end|>", "<|im_", "end|>", "<s>", "</s>", "\ufdd0"),
      fc.constantFrom(" ", "  ", "\n", "\t", "\r\n", "\u00a0", "\u2581", "hello", "\ud83e\udd99"),
    ),
    { maxLength: 12 },
  )
  .map((parts) => parts.join(""));

describe("SentencePiece", () => {
  it("takes the piece with the best score, and a space first", () => {
    expect(textsOf(spm(), "the thing")).toEqual(["\u2581the", "\u2581", "t", "h", "ing"]);
    expect(textsOf(spm(), "")).toEqual([]);
    expect(textsOf(spm(), " ")).toEqual(["\u2581", "\u2581"]);
  });

  it("writes what is no piece as bytes", () => {
    expect(textsOf(spm(), "\u00e9")).toEqual(["\u2581", "<0xC3>", "<0xA9>"]);
    expect(textsOf(spm(), "\n")).toEqual(["\u2581", "<0x0A>"]);
  });

  it("puts the beginning of text where the model wants it", () => {
    const both = { addSpecial: true, parseControl: true };
    expect(textsOf(spm(), "in", both)).toEqual(["<s>", "\u2581in"]);
    // A template wrote it already.
    expect(textsOf(spm(), "<s>in</s>", both)).toEqual(["<s>", "\u2581in", "</s>"]);
    const without = new Map(tinyVocabulary(600));
    without.set("tokenizer.ggml.add_bos_token", { type: "bool", value: false });
    without.set("tokenizer.ggml.add_space_prefix", { type: "bool", value: false });
    expect(textsOf(made(without), "in", both)).toEqual(["in"]);
  });

  it("merges as the definition does it: best score, then leftmost, one pair at a time", () => {
    const tokenizer = spm();
    const { ids, texts } = tokenizer.vocabulary;
    const scores = numbersOf(tinyVocabulary(600), "tokenizer.ggml.scores");
    const slow = (text: string): string[] => {
      const symbols = [...` ${text}`.replaceAll(" ", "\u2581")];
      for (;;) {
        let best: { at: number; score: number } | undefined;
        for (let at = 0; at + 1 < symbols.length; at += 1) {
          const id = ids.get(symbols[at]! + symbols[at + 1]!);
          if (id === undefined) continue;
          const score = scores[id]!;
          if (best === undefined || score > best.score) best = { at, score };
        }
        if (best === undefined) return symbols;
        symbols.splice(best.at, 2, symbols[best.at]! + symbols[best.at + 1]!);
      }
    };
    const letters = fc.string({ unit: fc.constantFrom(..."the andigo "), minLength: 1 });
    fc.assert(
      fc.property(letters, (text) => {
        expect(tokenizer.encode(text, PLAIN).map((id) => texts[id])).toEqual(slow(text));
      }),
    );
  });
});

describe("byte pairs", () => {
  it("merges in the order in which it was learnt", () => {
    expect(textsOf(bpe(), "hello world")).toEqual(["hello", "\u0120world"]);
    expect(textsOf(bpe(), "hell")).toEqual(["hell"]);
    // `i n` was waiting when `n g` took its right half.
    expect(textsOf(bpe(), "ing")).toEqual(["ing"]);
    expect(textsOf(bpe(), "aaaaa")).toEqual(["aaaa", "a"]);
    expect(textsOf(bpe(), "\u2588")).toEqual(["\u00e2", "\u0138", "\u012a"]);
  });

  it("merges as the definition does it: lowest rank, then leftmost, one pair at a time", () => {
    const merges = tinyBpeVocabulary("gpt-2").get("tokenizer.ggml.merges");
    const ranks = merges?.type === "array" ? merges.values.map(String) : [];
    const slow = (word: string): string[] => {
      const symbols = [...word];
      for (;;) {
        let best: { at: number; rank: number } | undefined;
        for (let at = 0; at + 1 < symbols.length; at += 1) {
          const rank = ranks.indexOf(`${symbols[at]} ${symbols[at + 1]}`);
          if (rank >= 0 && (best === undefined || rank < best.rank)) best = { at, rank };
        }
        if (best === undefined) return symbols;
        symbols.splice(best.at, 2, symbols[best.at]! + symbols[best.at + 1]!);
      }
    };
    const words = fc.string({ unit: fc.constantFrom(..."heloing"), minLength: 1 });
    fc.assert(
      fc.property(words, (word) => {
        expect(textsOf(bpe(), word)).toEqual(slow(word));
      }),
    );
  });

  it("cuts words as its family does", () => {
    const cut = (pre: string, text: string) => textsOf(bpe(pre), text);
    expect(cut("gpt-2", "123")).toEqual(["123"]);
    expect(cut("qwen2", "123")).toEqual(["1", "2", "3"]);
    expect(cut("llama-bpe", "1231")).toEqual(["123", "1"]);
    expect(cut("smollm", "123")).toEqual(["1", "2", "3"]);
    expect(() => bpe("klingon")).toThrow(/pre-tokenizer klingon is not supported/);
  });

  it("knows what ends an answer", () => {
    const tokenizer = bpe();
    const endings = [...tokenizer.vocabulary.endings].map((id) => tokenizer.vocabulary.texts[id]);
    expect(endings.sort()).toEqual(["<|endoftext|>", "<|im_end|>"]);
  });
});

describe("special tokens", () => {
  it("are read where a template wrote them, and are text where a person did", () => {
    const text = "<|im_start|>hello<|im_end|>";
    expect(textsOf(bpe(), text, TEMPLATE)).toEqual(["<|im_start|>", "hello", "<|im_end|>"]);
    expect(textsOf(bpe(), text)).not.toContain("<|im_start|>");
    expect(textsOf(bpe(), "a<tool>b")).toEqual(["a", "<tool>", "b"]);
  });

  it("never begin in what a person wrote, whatever a template puts around it", () => {
    for (const tokenizer of [spm(), bpe()]) {
      const control = (id: number) => tokenizer.vocabulary.kinds[id] === "control";
      fc.assert(
        fc.property(anyText, anyText, fc.boolean(), (first, second, trims) => {
          const [one, two] = [first, second].map((text) =>
            trims ? tokenizer.guard(text).trim() : tokenizer.guard(text),
          );
          const ids = tokenizer.encode(`${one}${two}`, TEMPLATE);
          expect(ids.filter(control)).toEqual([]);
        }),
      );
    }
  });

  it("keep what a person wrote, letter by letter", () => {
    for (const tokenizer of [spm(), bpe()]) {
      fc.assert(
        fc.property(anyText, (text) => {
          const ids = tokenizer.encode(tokenizer.guard(text), TEMPLATE);
          const kept = text.replaceAll("\ufdd0", "\ufffd");
          // U+2581 is how SentencePiece writes a space.
          const expected = tokenizer.putsSpaceFirst ? kept.replaceAll("\u2581", " ") : kept;
          expect(decoded(tokenizer, ids)).toBe(expected);
        }),
      );
    }
  });

  it("that only look like words of the file are control tokens", () => {
    const metadata = new Map(tinyBpeVocabulary("gpt-2"));
    const types = numbersOf(metadata, "tokenizer.ggml.token_type");
    const values = types.map((type) => (type === 3 ? 4 : type));
    metadata.set("tokenizer.ggml.token_type", { type: "array", of: "i32", values });
    expect(textsOf(made(metadata), "<|im_start|>")).not.toContain("<|im_start|>");
  });
});

describe("text out of tokens", () => {
  it("is the text that went in, whole characters at a time", () => {
    for (const tokenizer of [spm(), bpe(), bpe("llama-bpe"), bpe("default"), bpe("tekken")]) {
      fc.assert(
        fc.property(anyText, (text) => {
          const ids = tokenizer.encode(text, PLAIN);
          // U+2581 is how SentencePiece writes a space; the two cannot be told apart afterwards.
          const sent = text.replaceAll("\ufdd0", "");
          const expected = tokenizer.putsSpaceFirst ? sent.replaceAll("\u2581", " ") : sent;
          const decoder = new TokenDecoder(tokenizer, { dropFirstSpace: true });
          let shown = "";
          for (const id of ids) {
            const piece = decoder.push(id);
            // No half of a surrogate pair.
            expect(Buffer.from(piece).toString()).toBe(piece);
            shown += piece;
          }
          expect(shown + decoder.end()).toBe(expected);
        }),
      );
    }
  });

  it("shows nothing of control tokens and U+FFFD for broken characters", () => {
    const tokenizer = spm();
    const byte = (value: string) => tokenizer.vocabulary.ids.get(`<0x${value}>`)!;
    expect(decoded(tokenizer, [1, byte("C3"), 2, byte("A9")])).toBe("\u00e9");
    expect(decoded(tokenizer, [byte("C3"), byte("41")])).toBe("\ufffdA");
    expect(decoded(tokenizer, [byte("F0"), byte("9F")])).toBe("\ufffd");
    expect(decoded(tokenizer, [999_999, -1])).toBe("");
  });
});

describe("limits", () => {
  it("reads no text that no context holds, and long ones in one go", () => {
    for (const tokenizer of [spm(), bpe("llama-bpe"), bpe("deepseek-coder")]) {
      for (const unit of ["a", " ", "<|im_", "\ud83e\udd99", " \n"]) {
        const text = unit.repeat(Math.floor((1 << 16) / Buffer.byteLength(unit)));
        expect(tokenizer.encode(tokenizer.guard(text), TEMPLATE).length).toBeGreaterThan(1000);
      }
      expect(() => tokenizer.encode("a".repeat(PROMPT_BYTES_MAX + 1), PLAIN)).toThrow(
        /at most 1048576/,
      );
    }
  });

  it("refuses lists that do not fit together", () => {
    const broken = (key: string, value: GgufValue | undefined) => {
      const metadata = new Map(tinyVocabulary(600));
      if (value === undefined) metadata.delete(key);
      else metadata.set(key, value);
      return () => made(metadata);
    };
    const short: GgufValue = { type: "array", of: "f32", values: [1, 2] };
    expect(broken("tokenizer.ggml.scores", short)).toThrow(/one score for each/);
    expect(broken("tokenizer.ggml.token_type", short)).toThrow(/kinds of 2/);
    expect(broken("tokenizer.ggml.tokens", undefined)).toThrow(/tokens is missing/);
    expect(broken("tokenizer.ggml.model", { type: "string", value: "rwkv" })).toThrow(/rwkv/);
    const many = Array.from({ length: 600 }, () => "x".repeat(1025));
    const long: GgufValue = { type: "array", of: "string", values: many };
    expect(broken("tokenizer.ggml.tokens", long)).toThrow(/too long/);
    // Ids of special tokens outside the vocabulary count as none.
    const outside = broken("tokenizer.ggml.eos_token_id", { type: "u32", value: 4_000_000_000 })();
    expect(outside.vocabulary.special.eos).toBeUndefined();
  });
});
