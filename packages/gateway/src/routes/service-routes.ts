/** Services of the mesh, and the proxy to them. */
import { errorFields, MeshError } from "@hearthmesh/core";
import type { Endpoint } from "../contracts/index.js";
import { ENDPOINTS } from "../contracts/index.js";
import type { UpgradeHandler } from "../doors/http-door.js";
import { refuseUpgrade } from "../mesh/upgrades.js";
import { readProxyTarget, serveProxy, upgradeProxy } from "../plain/proxy-target.js";
import { authorize } from "../server/policy.js";
import { toMeshError } from "../server/problem.js";
import type { Call } from "../server/route.js";
import { defineRoute, type Route } from "../server/route.js";
import type { GatewayServices } from "../services.js";
import { meshOf } from "./mesh-view-routes.js";

export function serviceRoutes(services: GatewayServices): Route[] {
  return [
    defineRoute(ENDPOINTS.services, "mesh-read", async () => {
      return { services: meshOf(services).services() };
    }),
    defineRoute(ENDPOINTS.addService, "operator", async ({ body }) => {
      return { service: await meshOf(services).addService(body) };
    }),
    defineRoute(ENDPOINTS.removeService, "operator", async ({ params }) => {
      return meshOf(services).removeService(params.service);
    }),
    ...PROXY_METHODS.map((method) => proxyRoute(services, method)),
  ];
}

/** HEAD goes with GET. TRACE and CONNECT are for no service. */
const PROXY_METHODS = ["GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"] as const;

function proxyRoute(services: GatewayServices, method: (typeof PROXY_METHODS)[number]): Route {
  const endpoint: Endpoint = {
    method,
    path: "/api/mesh/route/*",
    tag: "mesh",
    summary: "The nearest healthy service with this name or capability, or of this node",
  };
  const handle = async ({ request, reply, caller }: Call<Endpoint>) => {
    const { proxy } = meshOf(services);
    const target = readProxyTarget(request.raw);
    if (target === undefined) {
      throw new MeshError("MESH_BAD_REQUEST", {
        message: "a service, a capability or a node has to stand after /api/mesh/route/",
        hint: "`mesh service list` shows what there is.",
      });
    }
    await serveProxy(proxy, request.raw, reply.raw, target, caller.principal.spiffeId);
    // The proxy has answered; what it throws before that is answered by the server as always.
    reply.hijack();
    return undefined;
  };
  const options = { streamsBody: true, answersHead: method === "GET" };
  return defineRoute(endpoint, "services", handle, options);
}

/** `Upgrade` on a proxied path: WebSocket and the like, and raw bytes for `mesh forward`. */
export function serviceUpgrade(services: GatewayServices): UpgradeHandler {
  const { log } = services;
  return (request, socket, head, resolver) => {
    socket.on("error", () => socket.destroy());
    const work = async () => {
      const target = readProxyTarget(request);
      if (target === undefined) throw new MeshError("MESH_NOT_FOUND");
      const caller = resolver.resolve(request, "/api/mesh/route/*");
      authorize("services", caller);
      const { proxy } = meshOf(services);
      await upgradeProxy(proxy, request, socket, head, target, caller.principal.spiffeId);
    };
    work().catch((error: unknown) => {
      const known = toMeshError(error);
      if (known.code === "MESH_INTERNAL") log.error("an upgrade failed", errorFields(error));
      refuseUpgrade(socket, known);
    });
  };
}
