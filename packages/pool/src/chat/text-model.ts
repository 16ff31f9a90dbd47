/** All that a model knows about text: prompts to tokens, tokens to the text of an answer. */
import type { Gguf } from "../gguf/gguf.js";
import type { Prompt } from "../ring/generation.js";
import { StopTexts } from "../sampling/stop-texts.js";
import { TokenDecoder, type Tokenizer } from "../tokenizer/tokenizer.js";
import { tokenizerOf } from "../tokenizer/tokenizer-of.js";
import { ChatTemplate } from "./chat-template.js";

export interface EncodedPrompt {
  readonly tokens: readonly number[];
  /** Turns the tokens of the answer to text, and says when it ends. */
  readonly answer: AnswerText;
}

export interface AnswerStep {
  /** May be empty while a character, or a stop text, is not clear yet. */
  readonly text: string;
  /** The answer ends here; the token that ends it is no part of it. */
  readonly ended: boolean;
}

export class TextModel {
  readonly tokenizer: Tokenizer;
  readonly chatTemplate: ChatTemplate;

  constructor(gguf: Gguf) {
    this.tokenizer = tokenizerOf(gguf);
    this.chatTemplate = new ChatTemplate(gguf, this.tokenizer);
  }

  /**
   * `stop`: texts before which the answer ends. `nowMs`: wall clock, for templates that tell the
   * model the date. Errors: `MESH_BAD_REQUEST`, `MESH_CONTEXT_TOO_LONG`.
   */
  encode(prompt: Prompt, stop: readonly string[], nowMs: number): EncodedPrompt {
    if (prompt.kind === "text") {
      // The raw door: who writes the whole prompt may write control tokens, such as those of
      // fill-in-the-middle. What people say within a chat may not.
      const options = { addSpecial: true, parseControl: true };
      return {
        tokens: this.tokenizer.encode(prompt.text, options),
        answer: new AnswerText(this.tokenizer, stop, false),
      };
    }
    const chat = this.chatTemplate.render(prompt.messages, nowMs);
    return {
      tokens: this.tokenizer.encode(chat.text, { addSpecial: true, parseControl: true }),
      answer: new AnswerText(this.tokenizer, [...stop, ...chat.stop], this.chatTemplate.isOfModel),
    };
  }
}

/** The text of one answer as its tokens come. */
export class AnswerText {
  readonly #tokenizer: Tokenizer;
  readonly #decoder: TokenDecoder;
  readonly #stops: StopTexts;

  /** `isNewText`: the answer begins a text; it does not go on with the one of the prompt. */
  constructor(tokenizer: Tokenizer, stop: readonly string[], isNewText: boolean) {
    this.#tokenizer = tokenizer;
    this.#decoder = new TokenDecoder(tokenizer, { dropFirstSpace: isNewText });
    this.#stops = new StopTexts(stop);
  }

  push(token: number): AnswerStep {
    if (this.#tokenizer.isEnding(token)) return { text: this.end(), ended: true };
    const { text, stopped } = this.#stops.push(this.#decoder.push(token));
    return { text, ended: stopped };
  }

  /** What was held back, when the answer ends because it is long enough. */
  end(): string {
    const { text, stopped } = this.#stops.push(this.#decoder.end());
    return stopped ? text : text + this.#stops.end();
  }
}
