/** A byte-pair vocabulary without training: bytes, a few merges, and control tokens. */
import type { GgufValue } from "../gguf/gguf.js";
import { makeByteLetters } from "../tokenizer/byte-letters.js";

/** In the order in which they were "learnt"; a space is written as U+0120. */
const MERGES = [
  ...["h e", "he l", "hel l", "l o", "hell o", "\u0120 w", "o r", "\u0120w or", "l d"],
  // Neighbours that want the same letter, here and in `ing` below.
  ...["l w", "w r", "or l", "d a", "a i"],
  ...["\u0120wor ld", "n g", "i n", "i ng", "a a", "aa aa", "\u00e2 \u0129", "1 2", "12 3"],
];
const CONTROLS = ["<|im_start|>", "<|im_end|>", "<|endoftext|>"];
/** Text that is one token wherever it occurs. */
const DEFINED = "<tool>";

const NORMAL = 1;
const CONTROL = 3;
const DEFINED_KIND = 4;

/** Metadata `tokenizer.*` of the family `pre`. */
export function tinyBpeVocabulary(pre: string): Map<string, GgufValue> {
  const normal = [...makeByteLetters().letters, ...MERGES.map((line) => line.replace(" ", ""))];
  const tokens = [...normal, ...CONTROLS, DEFINED];
  const types = [...normal.map(() => NORMAL), ...CONTROLS.map(() => CONTROL), DEFINED_KIND];
  return new Map<string, GgufValue>([
    ["tokenizer.ggml.model", { type: "string", value: "gpt2" }],
    ["tokenizer.ggml.pre", { type: "string", value: pre }],
    ["tokenizer.ggml.tokens", { type: "array", of: "string", values: tokens }],
    ["tokenizer.ggml.merges", { type: "array", of: "string", values: MERGES }],
    ["tokenizer.ggml.token_type", { type: "array", of: "i32", values: types }],
    ["tokenizer.ggml.eos_token_id", { type: "u32", value: tokens.indexOf("<|im_end|>") }],
  ]);
}
