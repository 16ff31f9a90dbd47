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
  return api.call("POST", "/api/inference/bench/engine", request);
}

export function benchLink(api: ApiClient, node: string): Promise<LinkBenchResponse> {
  return api.call("POST", "/api/inference/bench/link", { node });
}

export function benchRing(api: ApiClient, request: RingBenchRequest): Promise<RingBenchResponse> {
  return api.call("POST", "/api/inference/bench/ring", request);
}
