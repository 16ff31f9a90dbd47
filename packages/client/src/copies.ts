/** Copies at friends through the API: policies and quotas, for the operator. */
import type {
  PoliciesResponse,
  PolicyExplanation,
  PolicyResponse,
  PolicySetRequest,
  QuotaResponse,
  QuotasResponse,
} from "@hearthmesh/gateway/contracts";
import type { ApiClient } from "./api-client.js";
import { queryOf } from "./query-text.js";

export function listPolicies(api: ApiClient): Promise<PoliciesResponse> {
  return api.call("GET", "/api/policies");
}

export function setPolicy(api: ApiClient, request: PolicySetRequest): Promise<PolicyResponse> {
  return api.call("PUT", "/api/policies", request);
}

export function removePolicy(api: ApiClient, path: string): Promise<PolicyResponse> {
  return api.call("DELETE", `/api/policies${queryOf({ path })}`);
}

export function explainPolicy(api: ApiClient, path: string): Promise<PolicyExplanation> {
  return api.call("GET", `/api/policies/explain${queryOf({ path })}`);
}

export function listQuotas(api: ApiClient): Promise<QuotasResponse> {
  return api.call("GET", "/api/quotas");
}

/** `peer`: alias, trust domain or member. */
export function offerQuota(api: ApiClient, peer: string, bytes: number): Promise<QuotaResponse> {
  return api.call("PUT", `/api/quotas/${encodeURIComponent(peer)}`, { bytes });
}

export function withdrawQuota(api: ApiClient, peer: string): Promise<QuotaResponse> {
  return api.call("DELETE", `/api/quotas/${encodeURIComponent(peer)}`);
}
