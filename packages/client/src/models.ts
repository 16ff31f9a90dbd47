/** The models of the member: what there is, and how one is added. */
import type {
  ModelImportRequest,
  ModelImportResponse,
  ModelImportsResponse,
  ModelResponse,
  ModelsResponse,
  ModelUploadResponse,
} from "@hearthmesh/gateway/contracts";
import { readJson } from "./answers.js";
import type { ApiClient } from "./api-client.js";

/** The server checks and stores the file after its last byte, and says nothing meanwhile. */
const UPLOAD_IDLE_TIMEOUT_MS = 30 * 60_000;

export function listModels(api: ApiClient): Promise<ModelsResponse> {
  return api.call("GET", "/api/models");
}

export function showModel(api: ApiClient, model: string): Promise<ModelResponse> {
  return api.call("GET", `/api/models/${encodeURIComponent(model)}`);
}

export function removeModel(api: ApiClient, model: string): Promise<ModelUploadResponse> {
  return api.call("DELETE", `/api/models/${encodeURIComponent(model)}`);
}

export interface ModelUpload {
  /** Of the file, without directories. */
  readonly file: string;
  readonly name?: string | undefined;
  readonly sha256?: string | undefined;
  readonly body: AsyncIterable<Uint8Array>;
  readonly signal: AbortSignal;
}

/** Returns when the model is there. */
export async function uploadModel(
  api: ApiClient,
  upload: ModelUpload,
): Promise<ModelUploadResponse> {
  const { file, name, sha256, body, signal } = upload;
  const query = new URLSearchParams({ file });
  if (name !== undefined) query.set("name", name);
  if (sha256 !== undefined) query.set("sha256", sha256);
  const answer = await api.send({
    method: "POST",
    path: `/api/models?${query}`,
    headers: { "content-type": "application/octet-stream" },
    body,
    idleTimeoutMs: UPLOAD_IDLE_TIMEOUT_MS,
    signal,
  });
  return readJson<ModelUploadResponse>(answer);
}

export function startModelImport(
  api: ApiClient,
  request: ModelImportRequest,
): Promise<ModelImportResponse> {
  return api.call("POST", "/api/model-imports", request);
}

export function modelImport(api: ApiClient, id: string): Promise<ModelImportResponse> {
  return api.call("GET", `/api/model-imports/${encodeURIComponent(id)}`);
}

export function modelImports(api: ApiClient): Promise<ModelImportsResponse> {
  return api.call("GET", "/api/model-imports");
}

export function cancelModelImport(api: ApiClient, id: string): Promise<ModelImportResponse> {
  return api.call("DELETE", `/api/model-imports/${encodeURIComponent(id)}`);
}
