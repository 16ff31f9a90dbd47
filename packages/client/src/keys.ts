/** API keys, introduced nodes, allow-lists and the audit trail, by the HTTP API. */
import type {
  AllowListResponse,
  ApiKeyCreateRequest,
  ApiKeyCreateResponse,
  ApiKeyRevokeResponse,
  ApiKeysResponse,
  AuditQuery,
  AuditResponse,
  AuditVerifyResponse,
  KnownNodesResponse,
  NodeRegisterRequest,
  NodeRegisterResponse,
} from "@hearthmesh/gateway/contracts";
import type { ApiClient } from "./api-client.js";
import { queryOf } from "./query-text.js";

export function createKey(
  api: ApiClient,
  request: ApiKeyCreateRequest,
): Promise<ApiKeyCreateResponse> {
  return api.call("POST", "/api/keys", request);
}

export function listKeys(api: ApiClient): Promise<ApiKeysResponse> {
  return api.call("GET", "/api/keys");
}

/** `key`: its id or name. */
export function revokeKey(api: ApiClient, key: string): Promise<ApiKeyRevokeResponse> {
  return api.call("DELETE", `/api/keys/${encodeURIComponent(key)}`);
}

/** This node, the nodes of its member, and introduced ones. */
export function knownNodes(api: ApiClient): Promise<KnownNodesResponse> {
  return api.call("GET", "/api/mesh/nodes");
}

/** The asked node contacts the other one, which must prove its key. */
export function registerNode(
  api: ApiClient,
  request: NodeRegisterRequest,
): Promise<NodeRegisterResponse> {
  return api.call("POST", "/api/mesh/register", request);
}

/** `node`: its name or id. No networks: it may call from everywhere. */
export function allowNode(
  api: ApiClient,
  node: string,
  networks: readonly string[],
): Promise<AllowListResponse> {
  const path = `/api/mesh/nodes/${encodeURIComponent(node)}/allow-list`;
  return api.call("POST", path, { networks });
}

export function audit(api: ApiClient, query: AuditQuery = {}): Promise<AuditResponse> {
  return api.call("GET", `/api/mesh/audit${queryOf({ ...query })}`);
}

export function verifyAudit(api: ApiClient): Promise<AuditVerifyResponse> {
  return api.call("GET", "/api/mesh/audit/verify");
}
