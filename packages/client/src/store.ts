/** The store of the member, asked by its operator. */
import type { StoreMembersResponse, StoreStatusResponse } from "@hearthmesh/gateway/contracts";
import { requireSuccess } from "./answers.js";
import type { ApiClient } from "./api-client.js";

/** A large store is copied before its first byte comes. */
const SNAPSHOT_SILENCE_MS = 600_000;

export function storeStatus(api: ApiClient): Promise<StoreStatusResponse> {
  return api.call("GET", "/api/store/status");
}

export function storeMembers(api: ApiClient): Promise<StoreMembersResponse> {
  return api.call("GET", "/api/store/members");
}

/**
 * The whole store: the database, then its SHA-256 (32 bytes), which the caller must check. The
 * stream must be read to its end or destroyed.
 */
export async function storeSnapshot(
  api: ApiClient,
  signal?: AbortSignal,
): Promise<AsyncIterable<Uint8Array>> {
  const answer = await api.send({
    method: "GET",
    path: "/api/store/snapshot",
    idleTimeoutMs: SNAPSHOT_SILENCE_MS,
    signal,
  });
  await requireSuccess(answer);
  return answer.body;
}
