/** Every call about pools, models and inference once. */
import type { ApiClient } from "../api-client.js";
import {
  addAiEndpoint,
  inferenceStats,
  listAiEndpoints,
  removeAiEndpoint,
  streamInference,
} from "../inference.js";
import {
  cancelModelImport,
  listModels,
  modelImport,
  modelImports,
  removeModel,
  showModel,
  startModelImport,
  uploadModel,
} from "../models.js";
import {
  createPool,
  decidePoolRequest,
  listPoolRequests,
  listPools,
  pairPool,
  removePoolMember,
} from "../pools.js";
import { benchEngine, benchLink, benchRing, planModel, rings } from "../rings.js";

/** How the calls end is of no interest: the member of this test has no models. */
export async function askAi(door: ApiClient): Promise<void> {
  const { signal } = new AbortController();
  const none = (async function* () {})();
  const body = { model: "x", max_tokens: 1 };
  await Promise.allSettled([
    ...[listPools(door), createPool(door, { name: "x" }), listPoolRequests(door, "x")],
    ...[decidePoolRequest(door, "x", "y", "approve"), decidePoolRequest(door, "x", "y", "refuse")],
    ...[pairPool(door, "x", {}), removePoolMember(door, "x", "y")],
    ...[listModels(door), showModel(door, "x"), removeModel(door, "x")],
    uploadModel(door, { file: "x", body: none, signal }),
    ...[startModelImport(door, { url: "http://x/" }), modelImports(door)],
    ...[modelImport(door, "x"), cancelModelImport(door, "x")],
    ...[inferenceStats(door), planModel(door, {}), rings(door)],
    ...[benchEngine(door, {}), benchLink(door, "x"), benchRing(door, {})],
    ...[listAiEndpoints(door), removeAiEndpoint(door, "x")],
    addAiEndpoint(door, { name: "x", url: "http://127.0.0.1:1" }),
    streamInference(door, { kind: "completion", body: { ...body, prompt: "x" } }, signal).next(),
    streamInference(door, { kind: "chat", body: { ...body, messages: [] } }, signal).next(),
  ]);
}
