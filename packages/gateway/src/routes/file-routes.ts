/** Files and directories: the grants of the caller are checked by the coordinator. */
import type { FileListResponse as ListedPage } from "@hearthmesh/collective";
import { ENDPOINTS } from "../contracts/index.js";
import { bodySource } from "../files/body-source.js";
import { changeCondition } from "../files/conditions.js";
import { sendFile } from "../files/send-file.js";
import { TransferGuard } from "../files/transfer-guard.js";
import { defineRoute, type Route } from "../server/route.js";
import type { GatewayServices } from "../services.js";
import { entryView } from "./views.js";

export function fileRoutes(services: GatewayServices): Route[] {
  return [...directoryRoutes(services), ...contentRoutes(services)];
}

function directoryRoutes(services: GatewayServices): Route[] {
  return [
    defineRoute(ENDPOINTS.stat, "files", async ({ query, caller, signal }) => {
      const entry = await services.files(caller.principal).stat(query.path, signal);
      return { entry: entryView(entry) };
    }),
    defineRoute(ENDPOINTS.list, "files", async ({ query, caller }) => {
      const { header } = await services.coordinator.call(caller.principal, "file.list", query);
      const { entries, more } = header as ListedPage;
      return { entries: entries.map(entryView), more };
    }),
    defineRoute(ENDPOINTS.makeDirectory, "files", async ({ body, caller, signal }) => {
      const { path, parents = false } = body;
      await services.files(caller.principal).makeDirectory(path, { parents, signal });
      return { path };
    }),
    defineRoute(ENDPOINTS.move, "files", async ({ body, caller, signal }) => {
      const { from, to, overwrite = false } = body;
      await services.files(caller.principal).move(from, to, { overwrite, signal });
      return { from, to };
    }),
    defineRoute(ENDPOINTS.remove, "files", async ({ query, caller, signal, request }) => {
      const { path, recursive = false, permanent = false } = query;
      const ifMatch = changeCondition(request.headers);
      const condition = ifMatch === undefined ? {} : { ifMatch };
      const files = services.files(caller.principal);
      return { removed: await files.remove(path, { recursive, permanent, ...condition, signal }) };
    }),
  ];
}

function contentRoutes(services: GatewayServices): Route[] {
  const guard = new TransferGuard(services);
  return [
    defineRoute(
      ENDPOINTS.read,
      "files",
      async ({ query, caller: { principal }, signal: gone, request, reply }) => {
        const files = services.files(principal);
        const { method, headers } = request;
        const terms = { principal, path: query.path, right: "read", signal: gone } as const;
        const { signal, end } = guard.begin(terms);
        reply.raw.once("close", end);
        // What was sent is the beginning of a file: only a broken connection says so.
        const cut = () => void (reply.raw.headersSent && reply.raw.destroy());
        signal.addEventListener("abort", cut, { once: true });
        await sendFile(reply, { files, query, method, headers, signal });
        return undefined;
      },
      { answersHead: true },
    ),
    defineRoute(
      ENDPOINTS.write,
      "files",
      async ({ query: { path }, caller: { principal }, signal: gone, request }) => {
        const ifMatch = changeCondition(request.headers);
        const { signal, end } = guard.begin({ principal, path, right: "write", signal: gone });
        const options = ifMatch === undefined ? { signal } : { ifMatch, signal };
        const source = bodySource(request.raw);
        try {
          const entry = await services.files(principal).write(path, source, options);
          return { entry: entryView(entry) };
        } finally {
          end();
        }
      },
      { streamsBody: true },
    ),
  ];
}
