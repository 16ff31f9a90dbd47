/** Rings of models on a node, plans for them, and measurements. */
import type {
  EngineBenchRequest,
  EngineBenchResponse,
  InferencePlanResponse,
  LinkBenchResponse,
  RingBenchRequest,
  RingBenchResponse,
  RingsResponse,
} from "@hearthmesh/gateway/contracts";
import { readJson } from "./answers.js";
import type { ApiClient } from "./api-client.js";

export interface PlanQuestion {
  readonly model?: string | undefined;
  /** Names or ids. */
  readonly members?: readonly string[] | undefined;
  readonly placement?: "R" | "T" | undefined;
  readonly contextTokens?: number | undefined;
}

export function rings(api: ApiClient): Promise<RingsResponse> {
  return api.call("GET", "/api/inference/rings");
}

export function planModel(api: ApiClient, question: PlanQuestion): Promise<InferencePlanResponse> {
  const query = new URLSearchParams();
  const { model, members, placement, contextTokens } = question;
  if (model !== undefined) query.set("model", model);
  if (members !== undefined && members.length > 0) query.set("members", members.join(","));
  if (placement !== undefined) query.set("placement", placement);
  if (contextTokens !== undefined) query.set("contextTokens", String(contextTokens));
  return api.call("GET", `/api/inference/plan?${query}`);
}

export function benchEngine(
  api: ApiClient,
  request: EngineBenchRequest,
): Promise<EngineBenchResponse> {
  return slowly(api, "engine", request);
}

export function benchLink(api: ApiClient, node: string): Promise<LinkBenchResponse> {
  return slowly(api, "link", { node });
}

export function benchRing(api: ApiClient, request: RingBenchRequest): Promise<RingBenchResponse> {
  return slowly(api, "ring", request);
}

/** A model may have to be pulled and loaded before it is measured. */
const BENCH_SILENCE_MS = 3_600_000;

async function slowly<Answer>(api: ApiClient, what: string, body: object): Promise<Answer> {
  const answer = await api.send({
    method: "POST",
    path: `/api/inference/bench/${what}`,
    headers: { "content-type": "application/json" },
    body: JSON.stringify(body),
    idleTimeoutMs: BENCH_SILENCE_MS,
  });
  return readJson(answer);
}
