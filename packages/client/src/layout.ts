/** The layout of the member and drains of its nodes, for the operator. */
import type {
  LayoutApplyRequest,
  LayoutChangesResponse,
  LayoutStageRequest,
  NodeDrainResponse,
  NodeRemoveResponse,
} from "@hearthmesh/gateway/contracts";
import { readJson } from "./answers.js";
import type { ApiClient } from "./api-client.js";

/** All chunks are looked at before the answer. */
const LOOK_SILENCE_MS = 300_000;

export function layoutChanges(api: ApiClient): Promise<LayoutChangesResponse> {
  return api.call("GET", "/api/layout/changes");
}

export function stageLayout(
  api: ApiClient,
  request: LayoutStageRequest,
): Promise<LayoutChangesResponse> {
  return api.call("POST", "/api/layout/changes", request);
}

/** `MESH_LAYOUT_CHANGED` when the staged changes have another version by now. */
export function applyLayout(
  api: ApiClient,
  request: LayoutApplyRequest,
): Promise<LayoutChangesResponse> {
  return api.call("POST", "/api/layout/apply", request);
}

export function revertLayout(api: ApiClient): Promise<LayoutChangesResponse> {
  return api.call("DELETE", "/api/layout/changes");
}

/** `MESH_LAYOUT_UNSAFE` when the others have no room, or copies would become fewer. */
export function drainNode(api: ApiClient, node: string, force = false): Promise<NodeDrainResponse> {
  return api.call("POST", `/api/nodes/${encodeURIComponent(node)}/drain`, { force });
}

export function undrainNode(api: ApiClient, node: string): Promise<NodeDrainResponse> {
  return api.call("POST", `/api/nodes/${encodeURIComponent(node)}/undrain`);
}

/**
 * Takes a node out for good, and its certificate back. `MESH_LAYOUT_UNSAFE` when a file would be
 * lost with it, unless that is forced. The look at all chunks may take minutes.
 */
export async function removeNode(
  api: ApiClient,
  node: string,
  force = false,
): Promise<NodeRemoveResponse> {
  const path = `/api/nodes/${encodeURIComponent(node)}${force ? "?force=true" : ""}`;
  const headers = { accept: "application/json" };
  const request = { method: "DELETE", path, headers, idleTimeoutMs: LOOK_SILENCE_MS };
  return readJson(await api.send(request));
}
