/** What was removed, through the API. */
import type {
  TrashEmptyResponse,
  TrashEntryView,
  TrashListResponse,
  TrashRestoreRequest,
  TrashRestoreResponse,
} from "@hearthmesh/gateway/contracts";
import type { ApiClient } from "./api-client.js";
import { queryOf } from "./query-text.js";

/** Newest first, fetched page by page; with a path what lay there or below. */
export async function* listTrash(
  api: ApiClient,
  path?: string,
): AsyncGenerator<TrashEntryView, void, undefined> {
  let after: string | undefined;
  for (;;) {
    const target = `/api/trash${queryOf({ path, after })}`;
    const page = await api.call<TrashListResponse>("GET", target);
    yield* page.entries;
    if (page.next === null) return;
    after = page.next;
  }
}

export function restoreTrash(
  api: ApiClient,
  request: TrashRestoreRequest,
): Promise<TrashRestoreResponse> {
  return api.call("POST", "/api/trash/restore", request);
}

export interface TrashEmptyRequest {
  readonly id?: string;
  /** What lay there or below; `/` for everything. */
  readonly path?: string;
  /** Only what was removed before. */
  readonly beforeMs?: number;
}

export function emptyTrash(
  api: ApiClient,
  { id, path, beforeMs }: TrashEmptyRequest,
): Promise<TrashEmptyResponse> {
  const query = queryOf({ id, path, beforeMs });
  return api.call("DELETE", `/api/trash${query}`);
}
