/**
 * The API of a node without a coordinator: the routes that every node has, behind the plain door
 * of such a node (`../plain/node-door.ts`), which loads this only when somebody asks for one.
 *
 * The caller is the operator of the machine. API keys are the coordinator's: one that is presented
 * cannot be checked here, so it is refused rather than passed over.
 */
import { MeshError } from "@hearthmesh/core";
import type { FastifyRequest } from "fastify";
import { HttpMetrics } from "../metrics/http-metrics.js";
import type { NodeApi } from "../plain/node-door.js";
import { nodeRoutes } from "../routes/node-routes.js";
import { buildApp } from "../server/build-app.js";
import { isKeyedBearer, strangerReason } from "../server/caller.js";
import type { NodeServices } from "../services.js";

/** Undefined routes are answered with 404, as at every door. */
export async function nodeApi(services: NodeServices): Promise<NodeApi> {
  const app = buildApp({
    door: "loopback",
    services,
    metrics: new HttpMetrics(async () => []),
    routes: nodeRoutes(services),
    guard: (request) => {
      const reason = strangerReason(request.raw);
      if (reason !== undefined) throw reason;
    },
    caller: (request) => {
      refuseKey(request);
      return { principal: services.operator, proved: false, operator: true };
    },
  });
  await app.ready();
  return {
    serve: (request, response) => app.routing(request, response),
    close: () => app.close(),
  };
}

function refuseKey({ headers, routeOptions }: FastifyRequest): void {
  const isBearer = isKeyedBearer(headers.authorization, routeOptions.url ?? "");
  if (headers["x-api-key"] === undefined && !isBearer) return;
  throw new MeshError("MESH_KEY_INVALID", {
    message: "this node is not a coordinator and cannot check API keys",
    hint: "Leave the key out on this machine itself, or use the address of a coordinator.",
  });
}
