/**
 * Text to tokens and back, for one model. The two kinds differ in how they cut plain text
 * (`PlainTextEncoder`); special tokens, limits and the way back are the same.
 */
import { MeshError } from "@hearthmesh/core";
import { PROMPT_BYTES_MAX } from "./limits.js";
import { SpecialTokens } from "./special-tokens.js";
import type { Vocabulary } from "./vocabulary.js";

/** What `spm.ts` and `bpe.ts` are. */
export interface PlainTextEncoder {
  /**
   * Tokens of a text without special ones. `isFirst`: nothing, or a special token, stands before
   * it, which is where SPM puts a space.
   */
  encode(text: string, isFirst: boolean, out: number[]): void;
  /** What a token that is no control token stands for. */
  bytes(id: number): Uint8Array;
  /** Whether the first token of a text begins with a space that was not in it. */
  readonly putsSpaceFirst: boolean;
}

export interface EncodeOptions {
  /** Whether tokens that the model wants around a text (`<s>`) are put there. */
  readonly addSpecial: boolean;
  /** Whether control tokens are read out of the text. Never for what a person wrote. */
  readonly parseControl: boolean;
}

export class Tokenizer {
  readonly vocabulary: Vocabulary;
  readonly #special: SpecialTokens;
  readonly #plain: PlainTextEncoder;

  constructor(vocabulary: Vocabulary, plain: PlainTextEncoder) {
    this.vocabulary = vocabulary;
    this.#special = new SpecialTokens(vocabulary);
    this.#plain = plain;
  }

  get size(): number {
    return this.vocabulary.texts.length;
  }

  get putsSpaceFirst(): boolean {
    return this.#plain.putsSpaceFirst;
  }

  /** Whether an answer ends with this token, which is no part of it. */
  isEnding(id: number): boolean {
    return this.vocabulary.endings.has(id);
  }

  /** `MESH_CONTEXT_TOO_LONG` for a text that no context holds. */
  encode(text: string, options: EncodeOptions): number[] {
    // Half a surrogate pair has no UTF-8; it becomes U+FFFD here, before anything looks at it.
    const bytes = Buffer.from(text, "utf8");
    if (bytes.length > PROMPT_BYTES_MAX) {
      throw new MeshError("MESH_CONTEXT_TOO_LONG", {
        message: `the text has ${bytes.length} bytes; at most ${PROMPT_BYTES_MAX} are read`,
      });
    }
    const { special, addBos, addEos } = this.vocabulary;
    const out: number[] = [];
    if (options.addSpecial && addBos && special.bos !== undefined) out.push(special.bos);
    let isFirst = true;
    for (const fragment of this.#special.split(bytes.toString("utf8"), options.parseControl)) {
      if (typeof fragment === "number") out.push(fragment);
      else this.#plain.encode(fragment, isFirst, out);
      isFirst = typeof fragment === "number";
    }
    // A template may have written it already.
    if (options.addSpecial && addBos && options.parseControl && out[1] === special.bos) {
      if (out[0] === special.bos && special.bos !== undefined) out.shift();
    }
    if (options.addSpecial && addEos && special.eos !== undefined) out.push(special.eos);
    return out;
  }

  /** Somebody's text, made safe for `encode` with `parseControl`. */
  guard(text: string): string {
    return this.#special.guard(text);
  }

  /** UTF-8, of which a token may hold a part of a character. Control tokens have none. */
  bytes(id: number): Uint8Array {
    const kind = this.vocabulary.kinds[id];
    if (kind === undefined || kind === "control" || kind === "unknown" || kind === "unused") {
      return new Uint8Array(0);
    }
    return this.#plain.bytes(id);
  }
}

/** Tokens to text as they come: whole characters only, U+FFFD for what is no UTF-8. */
export class TokenDecoder {
  readonly #tokenizer: Tokenizer;
  readonly #decoder = new TextDecoder("utf-8", { ignoreBOM: true });
  #dropsSpace: boolean;

  /** `dropFirstSpace`: of a text that begins here, for tokenizers that put one there. */
  constructor(tokenizer: Tokenizer, options: { readonly dropFirstSpace: boolean }) {
    this.#tokenizer = tokenizer;
    this.#dropsSpace = options.dropFirstSpace && tokenizer.putsSpaceFirst;
  }

  push(id: number): string {
    let bytes = this.#tokenizer.bytes(id);
    if (this.#dropsSpace && bytes.length > 0) {
      this.#dropsSpace = false;
      if (bytes[0] === 0x20) bytes = bytes.subarray(1);
    }
    return this.#decoder.decode(bytes, { stream: true });
  }

  /** What is left of a character that never became whole. */
  end(): string {
    return this.#decoder.decode();
  }
}
