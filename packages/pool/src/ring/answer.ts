/**
 * One answer as it grows: chooses tokens, turns them into text, and ends at an end token, a stop
 * text or the number of tokens. Pure; it lives through the loss of members, for what it knows
 * depends on no cache.
 */
import type { FinishReason } from "./generation.js";
import type { Candidate } from "./step-codec.js";

/** What an answer needs of the model's vocabulary. */
export interface TextDecoder {
  /** The text that is whole now; empty while a character is not. */
  push(token: number): string;
  /** What is left at the end. */
  flush(): string;
}

/** The likeliest tokens of the whole vocabulary, or all logits; as `wanted` said. */
export interface HeadResult {
  readonly candidates: readonly Candidate[];
  readonly logits: Float32Array | undefined;
}

export interface TokenChooser {
  /** Candidates that it needs, or `WANT_ALL`: with these it chooses as with all logits. */
  readonly wanted: number;
  choose(result: HeadResult): number;
}

export interface AnswerOptions {
  readonly chooser: TokenChooser;
  readonly decoder: TextDecoder;
  isEndToken(token: number): boolean;
  readonly stop: readonly string[];
}

export interface AnswerPiece {
  readonly token: number;
  /** End tokens are no part of the answer. */
  readonly isEndToken: boolean;
  readonly text: string;
  /** Set when a stop text or an end token ended it. */
  readonly finish: FinishReason | undefined;
}

export class Answer {
  readonly #options: AnswerOptions;
  /** Text that could be the beginning of a stop text. */
  #held = "";

  constructor(options: AnswerOptions) {
    this.#options = options;
  }

  get wanted(): number {
    return this.#options.chooser.wanted;
  }

  next(result: HeadResult): AnswerPiece {
    const token = this.#options.chooser.choose(result);
    if (this.#options.isEndToken(token)) {
      return { token, isEndToken: true, text: this.end(), finish: "stop" };
    }
    this.#held += this.#options.decoder.push(token);
    const stopAt = this.#firstStop();
    if (stopAt !== undefined) {
      const text = this.#held.slice(0, stopAt);
      this.#held = "";
      return { token, isEndToken: false, text, finish: "stop" };
    }
    return { token, isEndToken: false, text: this.#release(), finish: undefined };
  }

  /** What was held back, when the answer ends for another reason. */
  end(): string {
    this.#held += this.#options.decoder.flush();
    const text = this.#held.slice(0, this.#firstStop() ?? this.#held.length);
    this.#held = "";
    return text;
  }

  #firstStop(): number | undefined {
    const found = this.#options.stop
      .map((stop) => this.#held.indexOf(stop))
      .filter((at) => at >= 0);
    return found.length === 0 ? undefined : Math.min(...found);
  }

  /** All but the longest end that some stop text begins with. */
  #release(): string {
    const longest = Math.max(0, ...this.#options.stop.map((stop) => stop.length - 1));
    let keep = Math.min(longest, this.#held.length);
    while (keep > 0 && !this.#couldBegin(this.#held.slice(this.#held.length - keep))) keep--;
    const text = this.#held.slice(0, this.#held.length - keep);
    this.#held = this.#held.slice(this.#held.length - keep);
    return text;
  }

  #couldBegin(end: string): boolean {
    return this.#options.stop.some((stop) => stop.startsWith(end));
  }
}
