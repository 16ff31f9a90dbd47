/**
 * The part of OpenAI's API that the models of the mesh serve (chat completions, completions,
 * models), with the names of that API. What a request has beside these fields goes along to
 * whole-request members (`docs/ai/openai.md`); the ring refuses what would change an answer.
 */
import { z } from "zod";

/** Messages of one chat, `stop` texts and tools: more is a mistake or an attack. */
const MESSAGES_MAX = 4_096;
const STOP_MAX = 4;
const STOP_CHARACTERS_MAX = 256;
const CONTENT_PARTS_MAX = 256;
const MEMBERS_MAX = 64;
const MODEL_CHARACTERS_MAX = 256;

const ContentPart = z.lazy(() =>
  z.looseObject({ type: z.string().max(64), text: z.string().exactOptional() }),
);
const Content = z.union([z.string(), z.array(ContentPart).max(CONTENT_PARTS_MAX)]);

export const OpenAiMessage = z.lazy(() =>
  z.looseObject({
    role: z.enum(["system", "developer", "user", "assistant", "tool"]),
    content: Content.nullish(),
  }),
);
export type OpenAiMessage = z.infer<typeof OpenAiMessage>;

const Whole = z.number().int();
const StopText = z.string().min(1).max(STOP_CHARACTERS_MAX);

const common = {
  model: z.string().max(MODEL_CHARACTERS_MAX).nullish().describe("Name or id; default: the only"),
  max_tokens: Whole.min(1).nullish(),
  temperature: z.number().min(0).max(2).nullish().describe("Default 1; 0 is greedy"),
  top_p: z.number().min(0).max(1).nullish(),
  top_k: Whole.min(0).nullish().describe("Not of OpenAI: 0 leaves it off"),
  min_p: z.number().min(0).max(1).nullish().describe("Not of OpenAI: 0 leaves it off"),
  seed: Whole.nullish(),
  n: Whole.nullish().describe("1"),
  stop: z.union([StopText, z.array(StopText).max(STOP_MAX)]).nullish(),
  stream: z.boolean().nullish(),
  stream_options: z.looseObject({ include_usage: z.boolean().nullish() }).nullish(),
  only_members: z
    .array(z.string().min(1).max(128))
    .min(1)
    .max(MEMBERS_MAX)
    .nullish()
    .describe("Not of OpenAI: no other node may see the prompt; also as X-Mesh-Only-Members"),
  placement: z
    .enum(["R", "T"])
    .nullish()
    .describe("Not of OpenAI: on one member (R) or split (T), whatever the planner would choose"),
  timings: z.boolean().nullish().describe("Not of OpenAI: times and members with the last part"),
};

export const OpenAiChatRequest = z.lazy(() =>
  z.looseObject({
    ...common,
    messages: z.array(OpenAiMessage).min(1).max(MESSAGES_MAX),
    max_completion_tokens: Whole.min(1).nullish(),
  }),
);
/** What a caller sends. */
export type OpenAiChatRequest = z.input<typeof OpenAiChatRequest>;

export const OpenAiCompletionRequest = z.lazy(() =>
  z.looseObject({
    ...common,
    prompt: z.union([z.string(), z.array(z.unknown()).max(1)]),
  }),
);
/** What a caller sends. */
export type OpenAiCompletionRequest = z.input<typeof OpenAiCompletionRequest>;

export const OpenAiModel = z
  .lazy(() =>
    z.object({
      id: z.string(),
      object: z.literal("model"),
      created: z.number().int().describe("Seconds since 1970"),
      owned_by: z.string().describe("`mesh`, or the whole-request member that serves it"),
    }),
  )
  .meta({ id: "OpenAiModel" });
export type OpenAiModel = z.infer<typeof OpenAiModel>;

export const OpenAiModelsResponse = z.lazy(() =>
  z.object({
    object: z.literal("list"),
    data: z.array(OpenAiModel),
  }),
);
export type OpenAiModelsResponse = z.infer<typeof OpenAiModelsResponse>;

/** Names may hold slashes. */
const OpenAiModelParams = z.object({ "*": z.string().min(1).max(MODEL_CHARACTERS_MAX) });

/** Of the form `Endpoint`. Answers of the two that generate are JSON, or `text/event-stream`. */
export const OPENAI_ENDPOINTS = {
  openAiModels: {
    method: "GET",
    path: "/v1/models",
    tag: "ai",
    summary: "Models that can be asked, in OpenAI's form",
    response: OpenAiModelsResponse,
  },
  openAiModel: {
    method: "GET",
    path: "/v1/models/*",
    tag: "ai",
    summary: "One model, in OpenAI's form",
    params: OpenAiModelParams,
    response: OpenAiModel,
  },
  openAiChat: {
    method: "POST",
    path: "/v1/chat/completions",
    tag: "ai",
    summary: "The next message of a chat, in OpenAI's form",
    body: OpenAiChatRequest,
  },
  openAiCompletion: {
    method: "POST",
    path: "/v1/completions",
    tag: "ai",
    summary: "How a text goes on, in OpenAI's form",
    body: OpenAiCompletionRequest,
  },
} as const;
