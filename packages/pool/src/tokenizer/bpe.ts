/**
 * Byte-pair encoding as GPT-2 does it (`tokenizer.ggml.model = gpt2`): text is cut into words,
 * words into bytes, and neighbours are merged, the merge that was learnt first goes first.
 * Source: Sennrich, Haddow, Birch: Neural Machine Translation of Rare Words with Subword Units
 * (2016); the order of merges is that of llama.cpp.
 */
import type { Gguf } from "../gguf/gguf.js";
import { metadataStrings } from "../gguf/metadata.js";
import { damaged } from "../gguf/model-errors.js";
import { makeByteLetters } from "./byte-letters.js";
import { type PreTokenizer, splitWords } from "./pre-tokenizers.js";
import { PriorityQueue } from "./priority-queue.js";
import type { PlainTextEncoder } from "./tokenizer.js";
import type { Vocabulary } from "./vocabulary.js";

/** Above any vocabulary and any word, so that two numbers fit one. */
const PAIR_FACTOR = 2 ** 21;
const NONE = -1;

interface Merges {
  /** Pair of tokens -> rank. */
  readonly ranks: ReadonlyMap<number, number>;
  /** Rank -> the token that the pair becomes. */
  readonly results: readonly number[];
}

export class BpeEncoder implements PlainTextEncoder {
  readonly putsSpaceFirst = false;
  readonly #vocabulary: Vocabulary;
  readonly #preTokenizer: PreTokenizer;
  readonly #byteLetters = makeByteLetters();
  readonly #byteTokens: readonly number[];
  readonly #merges: Merges;

  constructor(gguf: Gguf, vocabulary: Vocabulary, preTokenizer: PreTokenizer) {
    this.#vocabulary = vocabulary;
    this.#preTokenizer = preTokenizer;
    this.#byteTokens = this.#byteLetters.letters.map(
      (letter) => vocabulary.ids.get(letter) ?? NONE,
    );
    this.#merges = mergesOf(gguf, vocabulary);
  }

  encode(text: string, _isFirst: boolean, out: number[]): void {
    for (const word of splitWords(text, this.#preTokenizer)) this.#encodeWord(word, out);
  }

  bytes(id: number): Uint8Array {
    const text = this.#vocabulary.texts[id] ?? "";
    if (this.#vocabulary.kinds[id] === "defined") return Buffer.from(text, "utf8");
    const bytes: number[] = [];
    for (const letter of text) {
      const byte = this.#byteLetters.bytes.get(letter);
      // A token that is not written in byte letters was added as plain text.
      if (byte === undefined) return Buffer.from(text, "utf8");
      bytes.push(byte);
    }
    return Uint8Array.from(bytes);
  }

  #encodeWord(word: string, out: number[]): void {
    const bytes = Buffer.from(word, "utf8");
    if (this.#preTokenizer.wholeWords) {
      let letters = "";
      for (const byte of bytes) letters += this.#byteLetters.letters[byte];
      const whole = this.#vocabulary.ids.get(letters);
      if (whole !== undefined) {
        out.push(whole);
        return;
      }
    }
    // A byte that the vocabulary does not know is left out, as llama.cpp does.
    const tokens = Array.from(bytes, (byte) => this.#byteTokens[byte] ?? NONE);
    for (const token of this.#merge(tokens)) if (token !== NONE) out.push(token);
  }

  /** Merges in place: a symbol that went into its left neighbour is skipped by `next`. */
  #merge(tokens: number[]): number[] {
    const { ranks, results } = this.#merges;
    const count = tokens.length;
    const next = Int32Array.from(tokens, (_, at) => (at + 1 < count ? at + 1 : NONE));
    const previous = Int32Array.from(tokens, (_, at) => at - 1);
    const isGone = new Uint8Array(count);
    const rankAt = (left: number): number | undefined => {
      const right = next[left] ?? NONE;
      if (right === NONE) return undefined;
      return ranks.get((tokens[left] ?? NONE) * PAIR_FACTOR + (tokens[right] ?? NONE));
    };
    // Rank first, place second, in one number.
    const queue = new PriorityQueue<number>((a, b) => a < b);
    const offer = (left: number): void => {
      const rank = left === NONE ? undefined : rankAt(left);
      if (rank !== undefined) queue.push(rank * PAIR_FACTOR + left);
    };
    for (let at = 0; at + 1 < count; at += 1) offer(at);
    for (let item = queue.pop(); item !== undefined; item = queue.pop()) {
      const left = item % PAIR_FACTOR;
      const rank = (item - left) / PAIR_FACTOR;
      // What stood here when it was offered may have been merged with others since.
      if (isGone[left] === 1 || rankAt(left) !== rank) continue;
      const right = next[left] ?? NONE;
      const after = next[right] ?? NONE;
      tokens[left] = results[rank] ?? NONE;
      isGone[right] = 1;
      next[left] = after;
      if (after !== NONE) previous[after] = left;
      offer(previous[left] ?? NONE);
      offer(left);
    }
    return tokens.filter((_, at) => isGone[at] === 0);
  }
}

function mergesOf(gguf: Gguf, vocabulary: Vocabulary): Merges {
  const lines = metadataStrings(gguf, "tokenizer.ggml.merges");
  if (lines === undefined) throw damaged("tokenizer.ggml.merges is missing");
  const ranks = new Map<number, number>();
  const results: number[] = [];
  for (const line of lines) {
    // A space is written as another letter, so the only one is between the two; it is never first.
    const cut = line.indexOf(" ", 1);
    const left = vocabulary.ids.get(line.slice(0, cut));
    const right = vocabulary.ids.get(line.slice(cut + 1));
    const result = vocabulary.ids.get(line.slice(0, cut) + line.slice(cut + 1));
    const rank = results.length;
    results.push(result ?? NONE);
    if (cut < 0 || left === undefined || right === undefined || result === undefined) continue;
    const pair = left * PAIR_FACTOR + right;
    if (!ranks.has(pair)) ranks.set(pair, rank);
  }
  return { ranks, results };
}
