/**
 * A conversation as the text that a model was trained on. The template comes with the model's file
 * (`tokenizer.chat_template`, in Jinja), so it is a stranger's program: it sees the messages and
 * nothing else, its size, time and output are bounded, and it cannot reach the machine.
 */
import { MeshError } from "@hearthmesh/core";
import type { Gguf } from "../gguf/gguf.js";
import { metadataString } from "../gguf/metadata.js";
import { damaged, unsupported } from "../gguf/model-errors.js";
import type { ChatMessage } from "../ring/generation.js";
import { PROMPT_BYTES_MAX } from "../tokenizer/limits.js";
import type { Tokenizer } from "../tokenizer/tokenizer.js";
import { CHAT_MESSAGES_MAX, CHAT_TEMPLATE_BYTES_MAX } from "./limits.js";
import { TemplateProgram } from "./template-program.js";

export interface RenderedChat {
  /** Control tokens in it are meant, but for those in what people wrote: see `Tokenizer.guard`. */
  readonly text: string;
  /** Texts that end the answer, besides the model's own tokens. */
  readonly stop: readonly string[];
}

export class ChatTemplate {
  readonly #template: TemplateProgram | undefined;
  readonly #knowsDeveloper: boolean;
  readonly #tokenizer: Tokenizer;

  /**
   * `MESH_MODEL_DAMAGED` when the template is none, `MESH_MODEL_UNSUPPORTED` when it is too
   * long.
   */
  constructor(gguf: Gguf, tokenizer: Tokenizer) {
    this.#tokenizer = tokenizer;
    const source = metadataString(gguf, "tokenizer.chat_template");
    this.#knowsDeveloper = source?.includes("developer") ?? false;
    this.#template = source === undefined ? undefined : parseTemplate(source);
  }

  /** Whether the model brings a template; without one see `plainConversation`. */
  get isOfModel(): boolean {
    return this.#template !== undefined;
  }

  /** `nowMs` for templates that tell the model the date. `MESH_BAD_REQUEST` when it refuses. */
  render(messages: readonly ChatMessage[], nowMs: number): RenderedChat {
    if (messages.length === 0 || messages.length > CHAT_MESSAGES_MAX) {
      throw badRequest(`messages: 1 to ${CHAT_MESSAGES_MAX} are needed`);
    }
    const bytes = messages.reduce((sum, { content }) => sum + Buffer.byteLength(content), 0);
    if (bytes > PROMPT_BYTES_MAX) throw tooLong(bytes);
    const guarded = messages.map(({ role, content }) => ({
      role: role === "developer" && !this.#knowsDeveloper ? "system" : role,
      content: this.#tokenizer.guard(content),
    }));
    if (this.#template === undefined) return plainConversation(guarded);
    const text = this.#run(this.#template, guarded, nowMs);
    // The guards count too, so a text below the limit is below it without them.
    if (Buffer.byteLength(text) > PROMPT_BYTES_MAX) throw tooLong(Buffer.byteLength(text));
    return { text, stop: [] };
  }

  #run(template: TemplateProgram, messages: readonly object[], nowMs: number): string {
    const { texts, special } = this.#tokenizer.vocabulary;
    const variables = {
      messages,
      bos_token: special.bos === undefined ? "" : texts[special.bos],
      eos_token: special.eos === undefined ? "" : texts[special.eos],
      add_generation_prompt: true,
    };
    try {
      return template.run(variables, nowMs);
    } catch (error) {
      // `raise_exception` of the template: such as "roles must alternate".
      const raised = error instanceof Error ? error.message : "it failed";
      const said = raised.slice(0, 200).replace(/[\p{Cc}\p{Cf}]/gu, "?");
      throw new MeshError("MESH_BAD_REQUEST", {
        message: `the chat template of the model refused the messages: ${said}`,
        cause: error,
      });
    }
  }
}

function parseTemplate(source: string): TemplateProgram {
  if (Buffer.byteLength(source) > CHAT_TEMPLATE_BYTES_MAX) {
    throw unsupported(`the chat template is longer than ${CHAT_TEMPLATE_BYTES_MAX} bytes`);
  }
  try {
    return new TemplateProgram(source);
  } catch (error) {
    throw damaged("the chat template of the model cannot be read", error);
  }
}

/**
 * For models without a template, which were trained to go on with a text. One message of a user is
 * that text; a conversation is written as one, and ends where the user would speak again.
 */
function plainConversation(messages: readonly ChatMessage[]): RenderedChat {
  const [only] = messages;
  if (messages.length === 1 && only?.role === "user") return { text: only.content, stop: [] };
  const lines = messages.map(({ role, content }) => {
    if (role === "system" || role === "developer") return content;
    return `${role === "assistant" ? "Assistant" : "User"}: ${content}`;
  });
  return { text: `${lines.join("\n\n")}\n\nAssistant:`, stop: ["\nUser:"] };
}

function badRequest(message: string): MeshError {
  return new MeshError("MESH_BAD_REQUEST", { message });
}

function tooLong(bytes: number): MeshError {
  return new MeshError("MESH_CONTEXT_TOO_LONG", {
    message: `the conversation has ${bytes} bytes; at most ${PROMPT_BYTES_MAX} are read`,
  });
}
