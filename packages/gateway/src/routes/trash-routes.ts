/** The trash; what the caller may see and bring back is decided by the coordinator. */
import type { Entry, TrashEntry, TrashPage } from "@hearthmesh/collective";
import { MeshError } from "@hearthmesh/core";
import { TRASH_ENDPOINTS, type TrashEntryView } from "../contracts/trash.js";
import { defineRoute, type Route } from "../server/route.js";
import type { GatewayServices } from "../services.js";
import { entryView } from "./views.js";

export function trashRoutes({ coordinator }: Pick<GatewayServices, "coordinator">): Route[] {
  return [
    defineRoute(TRASH_ENDPOINTS.trash, "files", async ({ query, caller }) => {
      const { header } = await coordinator.call(caller.principal, "file.trash", query);
      const { entries, next } = header as TrashPage;
      return { entries: entries.map(trashView), next: next ?? null };
    }),
    defineRoute(TRASH_ENDPOINTS.restoreTrash, "files", async ({ body, caller }) => {
      const { header } = await coordinator.call(caller.principal, "file.restore", body);
      return { entry: entryView((header as { entry: Entry }).entry) };
    }),
    defineRoute(TRASH_ENDPOINTS.emptyTrash, "files", async ({ query, caller }) => {
      const { all = false, ...request } = query;
      if (!all && request.id === undefined && request.path === undefined) {
        throw new MeshError("MESH_BAD_REQUEST", {
          message: "say what is to go: `id`, `path`, or `all`",
        });
      }
      const { header } = await coordinator.call(caller.principal, "file.empty", request);
      return { emptied: (header as { emptied: number }).emptied };
    }),
  ];
}

function trashView(entry: TrashEntry): TrashEntryView {
  const { id, path, name, kind, sizeBytes, owner, modifiedAtMs, deletedAtMs, deletedBy } = entry;
  return {
    ...{ id, path, name, kind, sizeBytes, owner, modifiedAtMs, deletedAtMs, deletedBy },
    endsAtMs: entry.endsAtMs ?? null,
  };
}
