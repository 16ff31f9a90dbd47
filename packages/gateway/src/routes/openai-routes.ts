/** `/v1/...`: the models of the mesh in the form of OpenAI's API. */
import { MeshError } from "@hearthmesh/core";
import {
  OPENAI_ENDPOINTS,
  type OpenAiChatRequest,
  type OpenAiCompletionRequest,
} from "../contracts/openai.js";
import type { OpenAiRequest } from "../openai/answer-source.js";
import { type AiCaller, limitsOfKey } from "../openai/caller-limits.js";
import { readIdempotencyKey } from "../openai/idempotency.js";
import { OPENAI_BODY_BYTES_MAX } from "../openai/limits.js";
import type { ModelEntry } from "../openai/model-list.js";
import type { OpenAiService } from "../openai/openai-service.js";
import { sendStream, wholeAnswer } from "../openai/send-answer.js";
import { COMMON_HEADERS } from "../server/headers.js";
import type { Caller } from "../server/policy.js";
import { type Call, defineRoute, type Route } from "../server/route.js";
import type { NodeServices } from "../services.js";

const BODY = { bodyBytesMax: OPENAI_BODY_BYTES_MAX };

export function openAiRoutes(services: NodeServices): Route[] {
  return [
    defineRoute(OPENAI_ENDPOINTS.openAiModels, "ai", async ({ signal }) => {
      const models = await openAiOf(services).models(signal);
      return { object: "list" as const, data: models.map(modelView) };
    }),
    defineRoute(OPENAI_ENDPOINTS.openAiModel, "ai", async ({ params, signal }) => {
      return modelView(await openAiOf(services).model(params["*"], signal));
    }),
    defineRoute(
      OPENAI_ENDPOINTS.openAiChat,
      "ai",
      async (call) => {
        const body: OpenAiChatRequest = call.body;
        await answer(services, call, { operation: "chat", body, ...membersOf(call) });
        return undefined;
      },
      BODY,
    ),
    defineRoute(
      OPENAI_ENDPOINTS.openAiCompletion,
      "ai",
      async (call) => {
        const body: OpenAiCompletionRequest = call.body;
        await answer(services, call, { operation: "completion", body, ...membersOf(call) });
        return undefined;
      },
      BODY,
    ),
  ];
}

function openAiOf({ openAi }: NodeServices): OpenAiService {
  if (openAi === undefined) throw new MeshError("MESH_AI_OFF");
  return openAi;
}

type AnswerCall = Pick<Call<never>, "caller" | "signal" | "request" | "reply">;

async function answer(
  services: NodeServices,
  { caller: who, signal, request: { headers }, reply }: AnswerCall,
  request: OpenAiRequest,
): Promise<void> {
  const openAi = openAiOf(services);
  const caller = aiCaller(who);
  const idempotencyKey = readIdempotencyKey(headers["idempotency-key"]);
  let pieces: ReturnType<OpenAiService["answer"]>;
  try {
    pieces = openAi.answer({ request, caller, idempotencyKey }, signal);
  } finally {
    // Of a refusal too: they say when there is room again.
    reply.headers(openAi.headers(caller));
  }
  if (request.body.stream !== true) {
    const text = await wholeAnswer(pieces);
    reply.header("content-type", "application/json; charset=utf-8");
    reply.serializer((body: unknown) => body as string).send(text);
    return;
  }
  const { clock } = services;
  const sent = { ...COMMON_HEADERS, ...openAi.headers(caller) };
  await sendStream(pieces, { response: reply.raw, headers: sent, clock });
  reply.hijack();
}

/** The operator and nodes are counted, and not limited; a key is, whatever else it may do. */
function aiCaller({ principal, keyId, ai, operator }: Caller): AiCaller {
  if (keyId === undefined) return { id: principal.spiffeId, limits: undefined };
  const isFree = operator && ai === undefined;
  return { id: `key/${keyId}`, limits: isFree ? undefined : limitsOfKey(ai) };
}

const MEMBERS_HEADER = "x-mesh-only-members";
const MEMBERS_HEADER_CHARACTERS_MAX = 4_096;

/** From the body; the header is for clients that cannot put more into it. Both together hold. */
function membersOf({ request, body }: Pick<AnswerCall, "request"> & { body: OnlyMembers }) {
  const header = request.headers[MEMBERS_HEADER];
  const text = Array.isArray(header) ? header.join(",") : (header ?? "");
  if (text.length > MEMBERS_HEADER_CHARACTERS_MAX) {
    throw new MeshError("MESH_BAD_REQUEST", { message: "X-Mesh-Only-Members is too long" });
  }
  const named = text.split(",").map((name) => name.trim());
  const ofHeader = named.filter((name) => name !== "");
  const ofBody = body.only_members ?? undefined;
  if (header === undefined) return { onlyMembers: ofBody };
  const both = ofBody === undefined ? ofHeader : ofHeader.filter((name) => ofBody.includes(name));
  if (both.length > 0) return { onlyMembers: both };
  throw new MeshError("MESH_BAD_REQUEST", {
    message: "X-Mesh-Only-Members leaves no member that may see the prompt",
    details: { param: "only_members" },
  });
}

interface OnlyMembers {
  readonly only_members?: readonly string[] | null | undefined;
}

function modelView({ id, created, ownedBy }: ModelEntry) {
  return { id, object: "model" as const, created, owned_by: ownedBy };
}
