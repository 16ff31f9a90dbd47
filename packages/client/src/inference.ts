/** The models of the mesh, asked of a node by its own `/v1`, and what it says about them. */
import { ERROR_REGISTRY, type ErrorCode, MeshError } from "@hearthmesh/core";
import type {
  AiEndpointAddRequest,
  AiEndpointRemoveResponse,
  AiEndpointResponse,
  AiEndpointsResponse,
  InferenceStatsResponse,
  OpenAiChatRequest,
  OpenAiCompletionRequest,
} from "@hearthmesh/gateway/contracts";
import type { GenerationTimings } from "@hearthmesh/pool";
import { problemOf } from "./answers.js";
import type { ApiClient } from "./api-client.js";
import { type HttpAnswer, readText } from "./http-connection.js";
import { EventParser } from "./key-value-events.js";

export type InferenceQuestion =
  | { readonly kind: "chat"; readonly body: OpenAiChatRequest }
  | { readonly kind: "completion"; readonly body: OpenAiCompletionRequest };

export type InferencePart =
  | { readonly kind: "text"; readonly text: string }
  | { readonly kind: "timings"; readonly timings: GenerationTimings }
  | { readonly kind: "finish"; readonly reason: string }
  | { readonly kind: "usage"; readonly promptTokens: number; readonly completionTokens: number };

/** Longer than the node's own silence: it sends something every ten seconds. */
const SILENCE_MS = 60_000;
/** An answer that comes as a whole may take its time. */
const WHOLE_SILENCE_MS = 3_600_000;

/** The answer as it is made. `MESH_CANCELLED` and the like when it ends early. */
export async function* streamInference(
  api: ApiClient,
  question: InferenceQuestion,
  signal: AbortSignal,
): AsyncGenerator<InferencePart> {
  const extra = { stream: true, stream_options: { include_usage: true }, timings: true };
  const answer = await ask(api, question, extra, SILENCE_MS, signal);
  const parser = new EventParser();
  let isWhole = false;
  try {
    for await (const bytes of answer.body as AsyncIterable<Uint8Array>) {
      for (const { data } of parser.feed(bytes)) {
        if (data === "[DONE]") isWhole = true;
        else yield* partsOf(JSON.parse(data) as Chunk);
      }
    }
  } finally {
    answer.body.destroy();
  }
  if (!isWhole) throw new MeshError("MESH_UNREACHABLE", { message: "the answer broke off" });
}

/** The whole answer in OpenAI's form. */
export async function wholeInference(
  api: ApiClient,
  question: InferenceQuestion,
  signal: AbortSignal,
): Promise<unknown> {
  const answer = await ask(api, question, { timings: true }, WHOLE_SILENCE_MS, signal);
  return JSON.parse(await readText(answer.body));
}

export function inferenceStats(api: ApiClient): Promise<InferenceStatsResponse> {
  return api.call("GET", "/api/inference/stats");
}

export function listAiEndpoints(api: ApiClient): Promise<AiEndpointsResponse> {
  return api.call("GET", "/api/endpoints");
}

export function addAiEndpoint(
  api: ApiClient,
  request: AiEndpointAddRequest,
): Promise<AiEndpointResponse> {
  return api.call("POST", "/api/endpoints", request);
}

export function removeAiEndpoint(api: ApiClient, name: string): Promise<AiEndpointRemoveResponse> {
  return api.call("DELETE", `/api/endpoints/${encodeURIComponent(name)}`);
}

interface Chunk {
  readonly choices?: readonly {
    readonly text?: string;
    readonly delta?: { readonly content?: string | null };
    readonly finish_reason?: string | null;
  }[];
  readonly usage?: { readonly prompt_tokens: number; readonly completion_tokens: number } | null;
  readonly timings?: GenerationTimings;
  readonly error?: OpenAiError;
}

interface OpenAiError {
  readonly message?: unknown;
  readonly code?: unknown;
}

function* partsOf({ choices = [], usage, timings, error }: Chunk): Generator<InferencePart> {
  if (error !== undefined) throw errorOf(error);
  for (const { text, delta, finish_reason: reason } of choices) {
    const more = text ?? delta?.content ?? "";
    if (more !== "") yield { kind: "text", text: more };
    if (typeof reason === "string") yield { kind: "finish", reason };
  }
  if (timings !== undefined) yield { kind: "timings", timings };
  if (usage === null || usage === undefined) return;
  const { prompt_tokens: promptTokens, completion_tokens: completionTokens } = usage;
  yield { kind: "usage", promptTokens, completionTokens };
}

async function ask(
  api: ApiClient,
  { kind, body }: InferenceQuestion,
  extra: object,
  idleTimeoutMs: number,
  signal: AbortSignal,
): Promise<HttpAnswer> {
  const answer = await api.send({
    method: "POST",
    path: kind === "chat" ? "/v1/chat/completions" : "/v1/completions",
    headers: { "content-type": "application/json" },
    body: JSON.stringify({ ...body, ...extra }),
    idleTimeoutMs,
    signal,
  });
  if (answer.status < 400) return answer;
  throw refusalOf(answer.status, await readText(answer.body));
}

function refusalOf(status: number, text: string): MeshError {
  try {
    const { error } = JSON.parse(text) as { error?: OpenAiError };
    if (error !== undefined) return errorOf(error);
  } catch {
    // Not in OpenAI's form: the rules of all other answers hold.
  }
  return problemOf(status, text);
}

/** The words of OpenAI's API for our codes. */
const CODES: Readonly<Record<string, ErrorCode>> = {
  invalid_api_key: "MESH_KEY_INVALID",
  insufficient_permissions: "MESH_FORBIDDEN",
  model_not_found: "MESH_MODEL_UNKNOWN",
  context_length_exceeded: "MESH_CONTEXT_TOO_LONG",
  rate_limit_exceeded: "MESH_LIMIT",
  unsupported_parameter: "MESH_BAD_REQUEST",
};

/** The message ends with the hint there, so there is none besides. */
function errorOf({ message, code }: OpenAiError): MeshError {
  const name = String(code);
  const known = name in ERROR_REGISTRY ? (name as ErrorCode) : (CODES[name] ?? "MESH_PROTOCOL");
  return new MeshError(known, { message: String(message).slice(0, 4_096), hint: "" });
}
