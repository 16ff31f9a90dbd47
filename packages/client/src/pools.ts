/** The pools that a node knows, and what its admin does with them. */
import type {
  PoolCreateRequest,
  PoolDecisionResponse,
  PoolPairRequest,
  PoolPairResponse,
  PoolRemoveResponse,
  PoolRequestsResponse,
  PoolResponse,
  PoolsResponse,
} from "@hearthmesh/gateway/contracts";
import type { ApiClient } from "./api-client.js";

export function listPools(api: ApiClient): Promise<PoolsResponse> {
  return api.call("GET", "/api/pools");
}

export function createPool(api: ApiClient, body: PoolCreateRequest): Promise<PoolResponse> {
  return api.call("POST", "/api/pools", body);
}

export function listPoolRequests(api: ApiClient, pool: string): Promise<PoolRequestsResponse> {
  return api.call("GET", `${pathOf(pool)}/requests`);
}

export function decidePoolRequest(
  api: ApiClient,
  pool: string,
  request: string,
  decision: "approve" | "refuse",
): Promise<PoolDecisionResponse> {
  const path = `${pathOf(pool)}/requests/${encodeURIComponent(request)}/${decision}`;
  return api.call("POST", path);
}

export function pairPool(
  api: ApiClient,
  pool: string,
  body: PoolPairRequest,
): Promise<PoolPairResponse> {
  return api.call("POST", `${pathOf(pool)}/pairing`, body);
}

export function removePoolMember(
  api: ApiClient,
  pool: string,
  member: string,
): Promise<PoolRemoveResponse> {
  return api.call("DELETE", `${pathOf(pool)}/members/${encodeURIComponent(member)}`);
}

function pathOf(pool: string): string {
  return `/api/pools/${encodeURIComponent(pool)}`;
}
