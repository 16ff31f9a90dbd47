/** Who answers a request, and the answer: the ring, or a whole-request member. */
import { createHash } from "node:crypto";
import { type Clock, type ErrorCode, isMeshError, MeshError, type Random } from "@hearthmesh/core";
import type {
  EndpointOperation,
  EndpointService,
  GenerateRequest,
  InferenceService,
} from "@hearthmesh/pool";
import type { OpenAiChatRequest, OpenAiCompletionRequest } from "../contracts/openai.js";
import type { AnswerForm, AnswerMeter, AnswerPiece } from "./answer-piece.js";
import { generatedAnswer } from "./generated-answer.js";
import { chatGeneration, completionGeneration } from "./generation-request.js";
import { findModel, type ModelPlaces, type ModelSources } from "./model-list.js";
import { passedAnswer } from "./passed-answer.js";

export type OpenAiRequest = (
  | { readonly operation: "chat"; readonly body: OpenAiChatRequest }
  | { readonly operation: "completion"; readonly body: OpenAiCompletionRequest }
) & { readonly onlyMembers: readonly string[] | undefined };

export interface AnswerSources extends ModelSources {
  readonly inference: InferenceService | undefined;
  readonly clock: Clock;
  readonly random: Random;
}

export interface AnswerWork {
  readonly request: OpenAiRequest;
  /** For a request that names none. */
  readonly seed: number;
  /** A retry elsewhere has to get the same seed, from whole-request members too. */
  readonly isRepeatable: boolean;
  /** Tokens that the caller has left. */
  readonly tokensMax: number | undefined;
  readonly meter: AnswerMeter;
}

/** After these the ring has computed nothing, and somebody else may. */
const RING_CANNOT: ReadonlySet<ErrorCode> = new Set([
  "MESH_RING_NOT_READY",
  "MESH_RING_BROKEN",
  "MESH_MODEL_MEMORY",
  "MESH_ENGINE_MISSING",
]);

/** `MESH_AI_OFF`, `MESH_MODEL_UNKNOWN`, `MESH_BAD_REQUEST`, and what the source throws. */
export async function* makeAnswer(
  sources: AnswerSources,
  work: AnswerWork,
  signal: AbortSignal,
): AsyncGenerator<AnswerPiece> {
  const { inference, endpoints } = sources;
  if (inference === undefined && endpoints === undefined) throw new MeshError("MESH_AI_OFF");
  const name = work.request.body.model ?? undefined;
  const places = await findModel(sources, name === "" ? undefined : name, signal);
  const { endpointModel } = places;
  const isElsewhere = endpointModel !== undefined && places.record === undefined;
  if (isElsewhere || inference === undefined) {
    yield* passOn(sources, work, endpointModel, signal);
    return;
  }
  let began = false;
  try {
    for await (const piece of ringAnswer(sources, inference, work, places, signal)) {
      began = true;
      yield piece;
    }
  } catch (error) {
    const mayPass = !began && isMeshError(error) && RING_CANNOT.has(error.code);
    if (!mayPass || endpointModel === undefined) throw error;
    yield* passOn(sources, work, endpointModel, signal);
  }
}

function ringAnswer(
  { clock, random }: AnswerSources,
  inference: InferenceService,
  work: AnswerWork,
  { record }: ModelPlaces,
  signal: AbortSignal,
): AsyncGenerator<AnswerPiece> {
  const { request, meter } = work;
  const { model, placement } = request.body;
  const wanted = record?.id ?? (model === "" ? undefined : (model ?? undefined));
  const generate = generationOf(work);
  const events = inference.generate(
    {
      ...generate,
      model: wanted,
      onlyMembers: request.onlyMembers,
      ...(placement ? { placement } : {}),
    },
    signal,
  );
  const form: AnswerForm = {
    ...streamOf(request),
    operation: request.operation,
    includeTimings: request.body.timings === true,
    id: `${request.operation === "chat" ? "chatcmpl" : "cmpl"}-${hex(random.bytes(12))}`,
    created: Math.floor(clock.nowMs() / 1000),
    model: record?.name ?? model ?? "default",
    fingerprint: `fp_${hex(
      createHash("sha256")
        .update(wanted ?? "")
        .digest(),
    ).slice(0, 10)}`,
  };
  return generatedAnswer(events, form, meter);
}

function generationOf({ request, seed, tokensMax }: AnswerWork): GenerateRequest {
  const generate =
    request.operation === "chat"
      ? chatGeneration(request.body, seed)
      : completionGeneration(request.body, seed);
  const { maxTokens } = generate;
  if (tokensMax === undefined) return generate;
  return { ...generate, maxTokens: Math.min(maxTokens ?? tokensMax, tokensMax) };
}

function streamOf({ body }: OpenAiRequest) {
  const isStream = body.stream === true;
  return { isStream, includeUsage: isStream && body.stream_options?.include_usage === true };
}

async function* passOn(
  { endpoints }: { readonly endpoints: EndpointService | undefined },
  work: AnswerWork,
  model: string | undefined,
  signal: AbortSignal,
): AsyncGenerator<AnswerPiece> {
  const { request, meter } = work;
  if (endpoints === undefined || model === undefined) {
    const named = request.body.model;
    throw new MeshError("MESH_MODEL_UNKNOWN", {
      message: named
        ? `there is no model ${JSON.stringify(named.slice(0, 80))}`
        : "there is no model yet",
    });
  }
  const { operation, onlyMembers } = request;
  const body = Buffer.from(JSON.stringify(passedBody(work, model)));
  const answer = await endpoints.send({ operation, model, body, onlyMembers }, signal);
  yield* passedAnswer(answer, streamOf(request), meter);
}

/** As the caller sent it, but for what is the mesh's own, and for what has to be counted. */
function passedBody(work: AnswerWork, model: string): object {
  const { request, seed, isRepeatable, tokensMax } = work;
  const { only_members: _m, timings: _t, placement: _p, ...rest } = request.body;
  const body: Record<string, unknown> = { ...rest, model };
  if (isRepeatable) body.seed = rest.seed ?? seed;
  if (tokensMax !== undefined) {
    const field = maxTokensField(request.operation, rest);
    const asked = body[field];
    body[field] = typeof asked === "number" ? Math.min(asked, tokensMax) : tokensMax;
  }
  if (body.stream === true) {
    body.stream_options = { ...request.body.stream_options, include_usage: true };
  }
  return body;
}

function maxTokensField(operation: EndpointOperation, body: Record<string, unknown>): string {
  const isNew = operation === "chat" && typeof body.max_completion_tokens === "number";
  return isNew ? "max_completion_tokens" : "max_tokens";
}

function hex(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString("hex");
}
