/** The store, for operators. */
import { Readable } from "node:stream";
import { MeshError } from "@hearthmesh/core";
import { STORE_ENDPOINTS } from "../contracts/store.js";
import { defineRoute, type Route } from "../server/route.js";
import type { GatewayServices } from "../services.js";
import type { StoreService } from "../store-service.js";

export function storeRoutes(services: Pick<GatewayServices, "store">): Route[] {
  return [
    defineRoute(STORE_ENDPOINTS.storeStatus, "operator", async () => storeOf(services).status()),
    defineRoute(STORE_ENDPOINTS.storeMembers, "operator", async () => storeOf(services).members()),
    defineRoute(STORE_ENDPOINTS.storeSnapshot, "operator", async ({ signal, reply }) => {
      const pieces = await storeOf(services).snapshot(signal);
      reply
        .headers({
          "content-type": "application/octet-stream",
          "content-disposition": 'attachment; filename="store.db"',
          "cache-control": "no-store",
        })
        .send(Readable.from(pieces, { objectMode: false }));
      return undefined;
    }),
  ];
}

function storeOf({ store }: Pick<GatewayServices, "store">): StoreService {
  if (store === undefined) {
    throw new MeshError("MESH_NOT_FOUND", { message: "this node keeps no store" });
  }
  return store;
}
