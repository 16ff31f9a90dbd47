/** The models that a member keeps, and what is being added. */
import { z } from "zod";
import type { Endpoint } from "./endpoint.js";

const Sha256 = z
  .string()
  .regex(/^[0-9a-fA-F]{64}$/)
  .describe("SHA-256 of the file, 64 hexadecimal digits");
const Name = z.string().min(1).max(64).describe("Small letters, digits, dots, - and _");

export const ModelView = z
  .lazy(() =>
    z.object({
      name: z.string(),
      id: z.string().describe("SHA-256 of the file"),
      sizeBytes: z.number().int(),
      architecture: z.string(),
      title: z.string().describe("As the file calls itself; may be empty"),
      quantisation: z.string().describe("Type of most of the weights"),
      layers: z.number().int(),
      heads: z.number().int(),
      kvHeads: z.number().int(),
      embeddingWidth: z.number().int(),
      feedForwardWidth: z.number().int(),
      vocabularySize: z.number().int(),
      contextTokensMax: z.number().int().describe("Tokens that it was trained for"),
      weightBytes: z.number().int(),
      membersMax: z.number().int().describe("How many machines it can be split over"),
      addedAt: z.string().exactOptional().describe("Missing for the model that comes with it"),
      source: z.string(),
      localBytes: z.number().int().describe("Bytes of it on the node that answers"),
    }),
  )
  .meta({ id: "Model" });
export type ModelView = z.infer<typeof ModelView>;

export const ModelsResponse = z
  .lazy(() => z.object({ models: z.array(ModelView) }))
  .meta({ id: "Models" });
export type ModelsResponse = z.infer<typeof ModelsResponse>;

const MemberShare = z.lazy(() =>
  z.object({
    members: z.number().int(),
    memoryBytesPerMember: z
      .number()
      .int()
      .describe("Weights, cache and scratch of the largest of equal shares"),
  }),
);

export const ModelResponse = z
  .lazy(() =>
    z.object({
      model: ModelView,
      shares: z.array(MemberShare).describe("For one machine, two, and so on"),
    }),
  )
  .meta({ id: "ModelDetails" });
export type ModelResponse = z.infer<typeof ModelResponse>;

export const ModelImportView = z
  .lazy(() =>
    z.object({
      id: z.string(),
      name: z.string(),
      source: z.string(),
      state: z.enum(["downloading", "checking", "storing", "done", "failed"]),
      doneBytes: z.number().int(),
      totalBytes: z.number().int().exactOptional(),
      startedAt: z.string(),
      model: ModelView.exactOptional(),
      error: z
        .object({ code: z.string(), message: z.string(), hint: z.string().exactOptional() })
        .exactOptional(),
    }),
  )
  .meta({ id: "ModelImport" });
export type ModelImportView = z.infer<typeof ModelImportView>;

export const ModelImportResponse = z.lazy(() => z.object({ import: ModelImportView }));
export type ModelImportResponse = z.infer<typeof ModelImportResponse>;
export const ModelImportsResponse = z.lazy(() => z.object({ imports: z.array(ModelImportView) }));
export type ModelImportsResponse = z.infer<typeof ModelImportsResponse>;

export const ModelImportRequest = z
  .lazy(() =>
    z.object({
      url: z.string().max(2048).describe("http or https; credentials in it are never kept"),
      name: Name.exactOptional(),
      sha256: Sha256.exactOptional(),
    }),
  )
  .meta({ id: "ModelImportRequest" });
export type ModelImportRequest = z.infer<typeof ModelImportRequest>;

export const ModelUploadResponse = z.lazy(() => z.object({ model: ModelView }));
export type ModelUploadResponse = z.infer<typeof ModelUploadResponse>;

const ModelParams = z.lazy(() =>
  z.object({ model: z.string().min(1).max(80).describe("Name or id") }),
);
const ImportParams = z.lazy(() => z.object({ import: z.string().min(1).max(64) }));

export const MODEL_ENDPOINTS = {
  models: {
    method: "GET",
    path: "/api/models",
    tag: "ai",
    summary: "The models that the member has",
    response: ModelsResponse,
  },
  model: {
    method: "GET",
    path: "/api/models/:model",
    tag: "ai",
    summary: "One model: its shape, and what each share of it needs",
    params: ModelParams,
    response: ModelResponse,
  },
  removeModel: {
    method: "DELETE",
    path: "/api/models/:model",
    tag: "ai",
    summary: "Remove a model from the collective, and the local copy of this node",
    params: ModelParams,
    response: ModelUploadResponse,
  },
  uploadModel: {
    method: "POST",
    path: "/api/models",
    tag: "ai",
    summary: "Add a model: the body is a GGUF file",
    query: z.object({
      file: z.string().min(1).max(256).describe("Name of the file"),
      name: Name.exactOptional(),
      sha256: Sha256.exactOptional(),
    }),
    response: ModelUploadResponse,
  },
  modelImports: {
    method: "GET",
    path: "/api/model-imports",
    tag: "ai",
    summary: "Models that this node is adding or has added",
    response: ModelImportsResponse,
  },
  startModelImport: {
    method: "POST",
    path: "/api/model-imports",
    tag: "ai",
    summary: "Add a model from an address; it goes on in the background",
    body: ModelImportRequest,
    response: ModelImportResponse,
  },
  modelImport: {
    method: "GET",
    path: "/api/model-imports/:import",
    tag: "ai",
    summary: "How far it is",
    params: ImportParams,
    response: ModelImportResponse,
  },
  cancelModelImport: {
    method: "DELETE",
    path: "/api/model-imports/:import",
    tag: "ai",
    summary: "End it; what was downloaded stays for the next time",
    params: ImportParams,
    response: ModelImportResponse,
  },
} as const satisfies Record<string, Endpoint>;
