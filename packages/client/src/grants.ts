/** Grants through the API: listed, given, taken away, explained. */
import type {
  GrantAddRequest,
  GrantAddResponse,
  GrantExplainQuery,
  GrantExplanation,
  GrantRemoveResponse,
  GrantsQuery,
  GrantsResponse,
} from "@hearthmesh/gateway/contracts";
import type { ApiClient } from "./api-client.js";
import { queryOf } from "./query-text.js";

/** For a person: those that it gave, and those of the book that are for it. */
export function listGrants(api: ApiClient, query: GrantsQuery = {}): Promise<GrantsResponse> {
  return api.call("GET", `/api/grants${queryOf({ ...query })}`);
}

export function addGrant(api: ApiClient, request: GrantAddRequest): Promise<GrantAddResponse> {
  return api.call("POST", "/api/grants", request);
}

export function removeGrant(api: ApiClient, id: string): Promise<GrantRemoveResponse> {
  return api.call("DELETE", `/api/grants/${encodeURIComponent(id)}`);
}

/** Without a subject: about the caller itself. */
export function explainGrant(api: ApiClient, query: GrantExplainQuery): Promise<GrantExplanation> {
  return api.call("GET", `/api/grants/explain${queryOf({ ...query })}`);
}
