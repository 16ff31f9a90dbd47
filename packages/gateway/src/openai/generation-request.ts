/**
 * From the forms of OpenAI's API to what the ring is asked for. What it cannot do and what would
 * change the answer is refused, with the name of the field; nothing is passed over in silence but
 * what has no influence on the text (`user`, `metadata`, `store`, ...).
 */
import { MeshError } from "@hearthmesh/core";
import type { ChatMessage, GenerateRequest, Prompt } from "@hearthmesh/pool";
import type {
  OpenAiChatRequest,
  OpenAiCompletionRequest,
  OpenAiMessage,
} from "../contracts/openai.js";

type Fields = Readonly<Record<string, unknown>>;

/** `seed` stands in when the request names none. */
export function chatGeneration(body: OpenAiChatRequest, seed: number): GenerateRequest {
  refuseFields(body);
  for (const name of ["tools", "functions"]) refuseList(body, name);
  refuse(body, "audio", (value) => value !== null);
  const prompt: Prompt = { kind: "chat", messages: body.messages.map(messageOf) };
  const maxTokens = body.max_completion_tokens ?? body.max_tokens ?? undefined;
  return { prompt, maxTokens, ...choices(body, seed) };
}

/** `seed` stands in when the request names none. */
export function completionGeneration(body: OpenAiCompletionRequest, seed: number): GenerateRequest {
  refuseFields(body);
  refuse(body, "suffix", (value) => value !== null && value !== "");
  refuse(body, "echo", (value) => value === true);
  refuse(body, "best_of", (value) => value !== null && value !== 1);
  const prompt: Prompt = { kind: "text", text: textOf(body.prompt) };
  return { prompt, maxTokens: body.max_tokens ?? undefined, ...choices(body, seed) };
}

function choices(
  body: OpenAiChatRequest | OpenAiCompletionRequest,
  seed: number,
): Pick<GenerateRequest, "sampling" | "stop"> {
  const { stop } = body;
  return {
    sampling: {
      temperature: body.temperature ?? 1,
      topP: body.top_p ?? 1,
      topK: body.top_k ?? 0,
      minP: body.min_p ?? 0,
      seed: wholeSeed(body.seed ?? seed),
    },
    stop: stop === null || stop === undefined ? [] : typeof stop === "string" ? [stop] : stop,
  };
}

const SEEDS = 2 ** 32;

/** Any whole number, also a negative one, as 32 bits. */
function wholeSeed(seed: number): number {
  return ((seed % SEEDS) + SEEDS) % SEEDS;
}

function messageOf(message: OpenAiMessage, at: number): ChatMessage {
  const { role, content } = message;
  if (Array.isArray(message.tool_calls) && message.tool_calls.length > 0) {
    throw unsupported(`messages.${at}.tool_calls`, "calls of tools are not supported");
  }
  if (typeof content === "string") return { role, content };
  const parts = (content ?? []).map((part, partAt) => {
    if (part.type === "text" && typeof part.text === "string") return part.text;
    throw unsupported(
      `messages.${at}.content.${partAt}`,
      `the models of the ring read text, and no ${JSON.stringify(part.type)}`,
    );
  });
  return { role, content: parts.join("\n") };
}

function textOf(prompt: OpenAiCompletionRequest["prompt"]): string {
  if (typeof prompt === "string") return prompt;
  const [only] = prompt;
  if (typeof only === "string") return only;
  throw unsupported("prompt", "one prompt as text is supported; no tokens, and no list of prompts");
}

/** Of both forms. */
function refuseFields(body: Fields): void {
  refuse(body, "n", (value) => value !== null && value !== 1);
  refuse(body, "logprobs", (value) => value !== null && value !== false);
  refuse(body, "top_logprobs", (value) => value !== null && value !== 0);
  refuse(body, "frequency_penalty", (value) => value !== null && value !== 0);
  refuse(body, "presence_penalty", (value) => value !== null && value !== 0);
  refuse(body, "logit_bias", (value) => value !== null && !isEmpty(value));
  refuse(body, "response_format", (value) => value !== null && !isTextFormat(value));
}

function refuse(body: Fields, name: string, isSet: (value: unknown) => boolean): void {
  const value = body[name];
  if (value === undefined || !isSet(value)) return;
  const allowed = name === "n" || name === "best_of" ? "; it may be 1" : "; leave it out";
  throw unsupported(name, `the models of the ring do not support \`${name}\`${allowed}`);
}

function refuseList(body: Fields, name: string): void {
  // Whoever says that none may be called gets the same answer without them.
  if (body.tool_choice === "none" || body.function_call === "none") return;
  refuse(body, name, (value) => !Array.isArray(value) || value.length > 0);
}

function isEmpty(value: unknown): boolean {
  return typeof value === "object" && value !== null && Object.keys(value).length === 0;
}

function isTextFormat(value: unknown): boolean {
  return (value as { type?: unknown }).type === "text";
}

function unsupported(param: string, message: string): MeshError {
  return new MeshError("MESH_BAD_REQUEST", {
    message,
    hint: "docs/ai/openai.md lists what is supported, and what whole-request members can do.",
    details: { param, openAiCode: "unsupported_parameter" },
  });
}
