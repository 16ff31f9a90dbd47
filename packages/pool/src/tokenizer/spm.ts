/**
 * SentencePiece as llama does it (`tokenizer.ggml.model = llama`): characters are merged to the
 * piece with the best score until none is left; what is no piece becomes bytes.
 * Source: Kudo, Richardson: SentencePiece (2018); the order of merges is that of llama.cpp.
 */
import type { Gguf } from "../gguf/gguf.js";
import { metadataBoolean, metadataNumbers } from "../gguf/metadata.js";
import { damaged } from "../gguf/model-errors.js";
import { PriorityQueue } from "./priority-queue.js";
import type { PlainTextEncoder } from "./tokenizer.js";
import type { Vocabulary } from "./vocabulary.js";

/** How pieces write a space. */
const SPACE = "\u2581";
const NONE = -1;

interface Bigram {
  readonly score: number;
  readonly left: number;
  /** Of both together, to see later whether they are still the same. */
  readonly length: number;
}

export class SpmEncoder implements PlainTextEncoder {
  readonly putsSpaceFirst: boolean;
  readonly #vocabulary: Vocabulary;
  readonly #scores: readonly number[];
  /** Of the longest token: nothing longer needs to be looked up. */
  readonly #longest: number;
  readonly #byteTokens: readonly number[];

  constructor(gguf: Gguf, vocabulary: Vocabulary) {
    const scores = metadataNumbers(gguf, "tokenizer.ggml.scores");
    if (scores === undefined || scores.length !== vocabulary.texts.length) {
      throw damaged("tokenizer.ggml.scores does not give one score for each token");
    }
    this.#vocabulary = vocabulary;
    // One that is not a number would make the order of merges depend on chance.
    this.#scores = scores.map((score) => (Number.isNaN(score) ? -Infinity : Number(score)));
    this.#longest = vocabulary.texts.reduce((most, { length }) => Math.max(most, length), 0);
    this.#byteTokens = Array.from({ length: 256 }, (_, byte) => {
      const name = `<0x${byte.toString(16).toUpperCase().padStart(2, "0")}>`;
      return vocabulary.ids.get(name) ?? vocabulary.special.unknown ?? NONE;
    });
    this.putsSpaceFirst = metadataBoolean(gguf, "tokenizer.ggml.add_space_prefix") ?? true;
  }

  encode(text: string, isFirst: boolean, out: number[]): void {
    const prefixed = this.putsSpaceFirst && isFirst ? ` ${text}` : text;
    this.#merge(prefixed.replaceAll(" ", SPACE), out);
  }

  bytes(id: number): Uint8Array {
    const text = this.#vocabulary.texts[id] ?? "";
    const kind = this.#vocabulary.kinds[id];
    if (kind === "byte") {
      const byte = Number.parseInt(text.slice(3, 5), 16);
      return Uint8Array.of(Number.isNaN(byte) ? 0x3f : byte);
    }
    return Buffer.from(kind === "defined" ? text : text.replaceAll(SPACE, " "), "utf8");
  }

  #merge(text: string, out: number[]): void {
    const starts = characterStarts(text);
    const count = starts.length;
    // Where each symbol ends; a symbol that went into its left neighbour has length 0.
    const ends = Int32Array.from(starts, (_, at) => starts[at + 1] ?? text.length);
    const next = Int32Array.from(starts, (_, at) => (at + 1 < count ? at + 1 : NONE));
    const previous = Int32Array.from(starts, (_, at) => at - 1);
    const lengthOf = (at: number) => (ends[at] ?? 0) - (starts[at] ?? 0);
    const queue = new PriorityQueue<Bigram>(
      (a, b) => a.score > b.score || (a.score === b.score && a.left < b.left),
    );
    const offer = (left: number): void => {
      const right = left === NONE ? NONE : (next[left] ?? NONE);
      if (right === NONE) return;
      const length = (ends[right] ?? 0) - (starts[left] ?? 0);
      if (length > this.#longest) return;
      const id = this.#vocabulary.ids.get(text.slice(starts[left], ends[right]));
      if (id !== undefined) queue.push({ score: this.#scores[id] ?? 0, left, length });
    };
    for (let at = 0; at + 1 < count; at += 1) offer(at);
    for (let bigram = queue.pop(); bigram !== undefined; bigram = queue.pop()) {
      const { left, length } = bigram;
      const right = next[left] ?? NONE;
      // What stood here when it was offered may have been merged with others since.
      if (lengthOf(left) === 0 || right === NONE) continue;
      if (lengthOf(left) + lengthOf(right) !== length) continue;
      ends[left] = ends[right] ?? 0;
      ends[right] = starts[right] ?? 0;
      const after = next[right] ?? NONE;
      next[left] = after;
      if (after !== NONE) previous[after] = left;
      offer(previous[left] ?? NONE);
      offer(left);
    }
    for (let at = count === 0 ? NONE : 0; at !== NONE; at = next[at] ?? NONE) {
      this.#emit(text.slice(starts[at], ends[at]), out);
    }
  }

  #emit(symbol: string, out: number[]): void {
    const id = this.#vocabulary.ids.get(symbol);
    if (id !== undefined) {
      out.push(id);
      return;
    }
    for (const byte of Buffer.from(symbol, "utf8")) {
      const token = this.#byteTokens[byte] ?? NONE;
      if (token !== NONE) out.push(token);
    }
  }
}

/** Where the characters of a text begin, in UTF-16 units. */
function characterStarts(text: string): number[] {
  const starts: number[] = [];
  let at = 0;
  for (const character of text) {
    starts.push(at);
    at += character.length;
  }
  return starts;
}
