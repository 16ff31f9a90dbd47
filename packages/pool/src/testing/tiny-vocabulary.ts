/** A SentencePiece vocabulary without training: bytes, letters, and letters put together. */
import type { GgufValue } from "../gguf/gguf.js";

/** Special tokens, bytes, the space, letters and some words: the least that makes sense. */
const TINY_VOCABULARY_MIN = 300;

const WORDS = ["he", "the", "an", "and", "in", "ing", "once", "on", "time", "was", "to"];
const LETTERS = "abcdefghijklmnopqrstuvwxyz";
const NORMAL = 1;
const UNKNOWN = 2;
const CONTROL = 3;
const BYTE = 6;

/** Metadata `tokenizer.*` with exactly `size` tokens: `<unk>`, `<s>`, `</s>`, bytes, pieces. */
export function tinyVocabulary(size: number): Map<string, GgufValue> {
  if (size < TINY_VOCABULARY_MIN) throw new RangeError(`at least ${TINY_VOCABULARY_MIN} tokens`);
  const tokens = ["<unk>", "<s>", "</s>"];
  const types = [UNKNOWN, CONTROL, CONTROL];
  for (let byte = 0; byte < 256; byte += 1) {
    tokens.push(`<0x${byte.toString(16).toUpperCase().padStart(2, "0")}>`);
    types.push(BYTE);
  }
  const scores = tokens.map(() => 0);
  for (const piece of pieces(size - tokens.length)) {
    tokens.push(piece);
    types.push(NORMAL);
    scores.push(259 - tokens.length);
  }
  return new Map<string, GgufValue>([
    ["tokenizer.ggml.model", { type: "string", value: "llama" }],
    ["tokenizer.ggml.tokens", { type: "array", of: "string", values: tokens }],
    ["tokenizer.ggml.scores", { type: "array", of: "f32", values: scores }],
    ["tokenizer.ggml.token_type", { type: "array", of: "i32", values: types }],
    ["tokenizer.ggml.bos_token_id", { type: "u32", value: 1 }],
    ["tokenizer.ggml.eos_token_id", { type: "u32", value: 2 }],
    ["tokenizer.ggml.unknown_token_id", { type: "u32", value: 0 }],
  ]);
}

/** So many different pieces: letters first, then words, then all pairs, triples and so on. */
function pieces(count: number): string[] {
  const found = new Set<string>(["\u2581", ...LETTERS]);
  for (const word of WORDS) {
    found.add(word);
    found.add(`\u2581${word}`);
  }
  let layer = [...LETTERS];
  while (found.size < count) {
    const next: string[] = [];
    for (const before of layer) {
      for (const letter of LETTERS) {
        if (found.size < count) found.add(before + letter);
        next.push(before + letter);
      }
    }
    layer = next;
  }
  return [...found].slice(0, count);
}
