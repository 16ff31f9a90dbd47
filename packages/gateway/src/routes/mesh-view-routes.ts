/** The mesh as this node sees it. */
import { MeshError } from "@hearthmesh/core";
import { ENDPOINTS } from "../contracts/index.js";
import type { MeshService } from "../mesh-service.js";
import { defineRoute, type Route } from "../server/route.js";
import type { GatewayServices } from "../services.js";

export function meshViewRoutes(services: GatewayServices): Route[] {
  return [
    defineRoute(ENDPOINTS.meshStatus, "mesh-read", async () => meshOf(services).status()),
    defineRoute(ENDPOINTS.meshPeers, "mesh-read", async () => meshOf(services).peers()),
    defineRoute(ENDPOINTS.meshRoutes, "mesh-read", async () => meshOf(services).routes()),
  ];
}

export function meshOf({ mesh }: Pick<GatewayServices, "mesh">): MeshService {
  if (mesh === undefined) throw new MeshError("MESH_DISABLED");
  return mesh;
}
