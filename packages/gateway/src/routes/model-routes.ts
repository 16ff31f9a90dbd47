/** The models of the member, and what is being added. Only the operator changes them. */
import { MeshError } from "@hearthmesh/core";
import type { ImportView, ModelRecord } from "@hearthmesh/pool";
import { MODEL_ENDPOINTS, type ModelImportView, type ModelView } from "../contracts/models.js";
import { bodySource } from "../files/body-source.js";
import type { ModelService } from "../model-service.js";
import { defineRoute, type Route } from "../server/route.js";
import type { NodeServices } from "../services.js";

export function modelRoutes(services: NodeServices): Route[] {
  return [...libraryRoutes(services), ...importRoutes(services)];
}

function libraryRoutes(services: NodeServices): Route[] {
  return [
    defineRoute(MODEL_ENDPOINTS.models, "mesh-read", async ({ signal }) => {
      const models = modelsOf(services);
      const [records, local] = await Promise.all([models.list(signal), models.localBytes()]);
      return { models: records.map((record) => modelView(record, local)) };
    }),
    defineRoute(MODEL_ENDPOINTS.model, "mesh-read", async ({ params, signal }) => {
      const models = modelsOf(services);
      const record = await models.get(params.model, signal);
      const [shares, local] = await Promise.all([models.shares(record), models.localBytes()]);
      return { model: modelView(record, local), shares: [...shares] };
    }),
    defineRoute(MODEL_ENDPOINTS.removeModel, "operator", async ({ params, signal }) => {
      return { model: modelView(await modelsOf(services).remove(params.model, signal)) };
    }),
    defineRoute(
      MODEL_ENDPOINTS.uploadModel,
      "operator",
      async ({ query: { file, name, sha256 }, signal, request }) => {
        const body = bodySource(request.raw);
        const record = await modelsOf(services).addStream(file, body, { name, sha256 }, signal);
        return { model: modelView(record) };
      },
      { streamsBody: true },
    ),
  ];
}

function importRoutes(services: NodeServices): Route[] {
  return [
    defineRoute(MODEL_ENDPOINTS.modelImports, "operator", async () => ({
      imports: (await modelsOf(services).imports()).map(importView),
    })),
    defineRoute(MODEL_ENDPOINTS.startModelImport, "operator", async ({ body, signal }) => {
      const { url, name, sha256 } = body;
      return {
        import: importView(await modelsOf(services).addFrom(url, { name, sha256 }, signal)),
      };
    }),
    defineRoute(MODEL_ENDPOINTS.modelImport, "operator", async ({ params }) => ({
      import: importView(await modelsOf(services).import(params.import)),
    })),
    defineRoute(MODEL_ENDPOINTS.cancelModelImport, "operator", async ({ params }) => ({
      import: importView(await modelsOf(services).cancelImport(params.import)),
    })),
  ];
}

function modelsOf({ models }: NodeServices): ModelService {
  if (models !== undefined) return models;
  throw new MeshError("MESH_AI_OFF", { message: "this node knows no models: its mesh is off" });
}

function modelView(record: ModelRecord, local?: ReadonlyMap<string, number>): ModelView {
  const { name, id, sizeBytes, shape, quantisation, addedAtMs, source } = record;
  return {
    name,
    id,
    sizeBytes,
    architecture: shape.architecture,
    title: shape.name,
    quantisation,
    layers: shape.layers,
    heads: shape.heads,
    kvHeads: shape.kvHeads,
    embeddingWidth: shape.embeddingWidth,
    feedForwardWidth: shape.feedForwardWidth,
    vocabularySize: shape.vocabularySize,
    contextTokensMax: shape.contextTokensMax,
    weightBytes: shape.weightBytes,
    membersMax: shape.kvHeads / shape.kvHeadUnit,
    ...(addedAtMs === 0 ? {} : { addedAt: new Date(addedAtMs).toISOString() }),
    source,
    localBytes: local?.get(id) ?? 0,
  };
}

function importView(one: ImportView): ModelImportView {
  const { id, name, source, state, doneBytes, totalBytes, startedAtMs, model, error } = one;
  return {
    ...{ id, name, source, state, doneBytes },
    ...(totalBytes === undefined ? {} : { totalBytes }),
    startedAt: new Date(startedAtMs).toISOString(),
    ...(model === undefined ? {} : { model: modelView(model) }),
    ...(error === undefined
      ? {}
      : { error: { code: error.code, message: error.message, hint: error.hint } }),
  };
}
