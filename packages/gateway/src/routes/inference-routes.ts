/** Statistics of the models, plans, and whole-request members. */
import { MeshError } from "@hearthmesh/core";
import type {
  EndpointService,
  EndpointView,
  InferenceService,
  InferenceStats,
  PlacementRow,
  PlanExplanation,
} from "@hearthmesh/pool";
import { AI_ENDPOINT_ENDPOINTS, type AiEndpointView } from "../contracts/ai-endpoints.js";
import {
  INFERENCE_ENDPOINTS,
  type InferencePlanResponse,
  type InferenceStatsResponse,
} from "../contracts/inference.js";
import { defineRoute, type Route } from "../server/route.js";
import type { NodeServices } from "../services.js";

export function inferenceRoutes(services: NodeServices): Route[] {
  return [
    defineRoute(INFERENCE_ENDPOINTS.inferenceStats, "mesh-read", async ({ signal }) => {
      return statsView(await inferenceOf(services).stats(signal));
    }),
    defineRoute(INFERENCE_ENDPOINTS.inferencePlan, "mesh-read", async ({ query, signal }) => {
      const { model, members, placement, contextTokens } = query;
      const onlyMembers = members?.split(",").map((name) => name.trim());
      const options = { onlyMembers, placement, contextTokens };
      return planView(await inferenceOf(services).explain(model, signal, options));
    }),
    defineRoute(AI_ENDPOINT_ENDPOINTS.aiEndpoints, "mesh-read", async ({ signal }) => {
      return { endpoints: (await endpointsOf(services).list(signal)).map(endpointView) };
    }),
    defineRoute(AI_ENDPOINT_ENDPOINTS.addAiEndpoint, "operator", async ({ body }) => {
      return { endpoint: endpointView(await endpointsOf(services).add(body)) };
    }),
    defineRoute(AI_ENDPOINT_ENDPOINTS.removeAiEndpoint, "operator", async ({ params }) => {
      return endpointsOf(services).remove(params.endpoint);
    }),
  ];
}

function inferenceOf({ inference }: NodeServices): InferenceService {
  if (inference === undefined) throw new MeshError("MESH_AI_OFF");
  return inference;
}

function endpointsOf({ endpoints }: NodeServices): EndpointService {
  if (endpoints === undefined) throw new MeshError("MESH_AI_OFF");
  return endpoints;
}

function statsView({ tokensPerSecond, models, ...counts }: InferenceStats): InferenceStatsResponse {
  return {
    ...counts,
    ...(tokensPerSecond === undefined ? {} : { tokensPerSecond }),
    models: models.map(({ members, ...model }) => ({ ...model, members: [...members] })),
  };
}

function planView(plan: PlanExplanation) {
  const { chosen, rows, leftOut, measured, model, missingBytes, text } = plan;
  const view: InferencePlanResponse = {
    model,
    ...(chosen === undefined ? {} : { chosen: rowView(chosen) }),
    rows: rows.map(rowView),
    leftOut: [...leftOut],
    measured: measured.map(({ roundTripMs, ...one }) => ({
      ...one,
      ...(roundTripMs === undefined ? {} : { roundTripMs }),
    })),
    missingBytes: missingBytes ?? null,
    text: [...text],
  };
  return view;
}

function rowView({ tokensPerSecond, nodeIds, names, memoryBytesPerMember, ...row }: PlacementRow) {
  return {
    ...row,
    ...(tokensPerSecond === undefined ? {} : { tokensPerSecond }),
    nodeIds: [...nodeIds],
    names: [...names],
    memoryBytesPerMember: [...memoryBytesPerMember],
  };
}

function endpointView(view: EndpointView): AiEndpointView {
  const { nodeName, isLocal, reason, url, hasKey, models, costMs, ...rest } = view;
  return {
    ...rest,
    node: nodeName,
    local: isLocal,
    models: [...models],
    costMs: costMs ?? null,
    ...(reason === undefined ? {} : { reason }),
    ...(url === undefined ? {} : { url }),
    ...(hasKey === undefined ? {} : { hasKey }),
  };
}
