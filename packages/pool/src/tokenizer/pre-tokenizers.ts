/**
 * How BPE tokenizers cut text into words before they merge: one list of patterns per family, each
 * applied to what the one before left. Source: the `tokenizer.json` files of the model families, in
 * the reading of llama.cpp; white space is Unicode's `White_Space`, as in their original engines.
 */
import { unsupported } from "../gguf/model-errors.js";

export interface PreTokenizer {
  readonly patterns: readonly RegExp[];
  /** A word that is a token as a whole is not put together by merges. */
  readonly wholeWords: boolean;
  readonly addBos: boolean;
}

/** White space, and anything else. */
const W = "\\p{White_Space}";
const NOT_W = `[^${W}]`;

const SUFFIXES = "(?:'[sS]|'[tT]|'[rR][eE]|'[vV][eE]|'[mM]|'[lL][lL]|'[dD])";
const SPACES = `${W}*[\\r\\n]+|${W}+(?!${NOT_W})|${W}+`;
const TAIL = ` ?[^${W}\\p{L}\\p{N}]+[\\r\\n]*|${SPACES}`;
const GPT2 =
  `'s|'t|'re|'ve|'m|'ll|'d| ?\\p{L}+| ?\\p{N}+| ?[^${W}\\p{L}\\p{N}]+` + `|${W}+(?!${NOT_W})|${W}+`;

const llama3 = family([`${SUFFIXES}|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|\\p{N}{1,3}|${TAIL}`], {
  wholeWords: true,
  addBos: true,
});
const qwen2 = family([`${SUFFIXES}|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|\\p{N}|${TAIL}`]);
const qwen35 = family([
  `${SUFFIXES}|[^\\r\\n\\p{L}\\p{N}]?[\\p{L}\\p{M}]+|\\p{N}| ?[^${W}\\p{L}\\p{M}\\p{N}]+[\\r\\n]*` +
    `|${SPACES}`,
]);
const gpt2 = family([GPT2]);
const singleDigits = family(["\\p{N}", GPT2]);
const punctuationFirst = family(["[\\p{P}\\$\\+<=>\\^~\\|]+", GPT2, "\\p{N}+", "[0-9][0-9][0-9]"]);
const falcon = family(["[\\p{P}\\$\\+<=>\\^~\\|`]+", GPT2, "[0-9][0-9][0-9]"]);
const deepseekCoder = family([
  "[\\r\\n]",
  `${W}?\\p{L}+`,
  `${W}?\\p{P}+`,
  "[\u4e00-\u9fa5\u0800-\u4e00\uac00-\ud7ff]+",
  "\\p{N}",
]);
/** Letters but a-z, and letters but A-Z. */
const NOT_LOWER = "(?:(?=\\p{L})[^a-z])";
const NOT_UPPER = "(?:(?=\\p{L})[^A-Z])";
const tekken = family(
  [
    `[^\\r\\n\\p{L}\\p{N}]?${NOT_LOWER}*${NOT_UPPER}+` +
      `|[^\\r\\n\\p{L}\\p{N}]?${NOT_LOWER}+${NOT_UPPER}*|\\p{N}` +
      `| ?[^${W}\\p{L}\\p{N}]+[\\r\\n/]*|${SPACES}`,
  ],
  { wholeWords: true, addBos: true },
);

function family(
  sources: readonly string[],
  options: Partial<Omit<PreTokenizer, "patterns">> = {},
): PreTokenizer {
  return {
    patterns: sources.map((source) => new RegExp(source, "gu")),
    wholeWords: false,
    addBos: false,
    ...options,
  };
}

/** By `tokenizer.ggml.pre`. */
const FAMILIES: ReadonlyMap<string, PreTokenizer> = new Map([
  ...named(llama3, "llama3", "llama-v3", "llama-bpe", "falcon3", "pixtral"),
  ...named(qwen2, "qwen2", "deepseek-r1-qwen", "stablelm2"),
  ...named(qwen35, "qwen35"),
  ...named(gpt2, "gpt-2", "phi-2", "mpt", "olmo", "jais", "trillion", "gigachat"),
  ...named(singleDigits, "smollm", "starcoder", "refact", "command-r", "codeshell", "exaone"),
  ...named(punctuationFirst, "default"),
  ...named(falcon, "falcon"),
  ...named(deepseekCoder, "deepseek-coder"),
  ...named(tekken, "tekken"),
]);

function named(family: PreTokenizer, ...names: string[]): [string, PreTokenizer][] {
  return names.map((name) => [name, family]);
}

/** `MESH_MODEL_UNSUPPORTED` for a family that is not known. */
export function preTokenizerOf(name: string): PreTokenizer {
  const found = FAMILIES.get(name);
  if (found !== undefined) return found;
  throw unsupported(`the pre-tokenizer ${name.slice(0, 64)} is not supported`);
}

/** Words of a text, together the whole text. What a pattern does not match is a word too. */
export function splitWords(text: string, { patterns }: PreTokenizer): string[] {
  let words = [text];
  for (const each of patterns) words = words.flatMap((word) => splitBy(word, each));
  return words;
}

function splitBy(text: string, each: RegExp): string[] {
  const parts: string[] = [];
  let from = 0;
  for (const match of text.matchAll(each)) {
    if (match.index > from) parts.push(text.slice(from, match.index));
    parts.push(match[0]);
    from = match.index + match[0].length;
  }
  if (from < text.length) parts.push(text.slice(from));
  return parts;
}
