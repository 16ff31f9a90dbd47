/** Pools, on every node; what changes them works where the member's authority is. */
import { limits, MeshError, parseDurationMs } from "@hearthmesh/core";
import { POOL_ENDPOINTS } from "../contracts/pools.js";
import type { PoolService } from "../pool-service.js";
import { defineRoute, type Route } from "../server/route.js";
import type { NodeServices } from "../services.js";

export function poolRoutes(services: Pick<NodeServices, "pools">): Route[] {
  const pools = () => poolsOf(services);
  return [
    defineRoute(POOL_ENDPOINTS.pools, "enrolled", async () => ({ pools: pools().list() })),
    defineRoute(POOL_ENDPOINTS.pool, "enrolled", async ({ params }) => ({
      pool: pools().get(params.pool),
    })),
    defineRoute(POOL_ENDPOINTS.createPool, "operator", async ({ body, caller }) => ({
      pool: await pools().create(caller.principal, body),
    })),
    defineRoute(POOL_ENDPOINTS.poolRequests, "operator", async ({ params }) => ({
      requests: pools().requests(params.pool),
    })),
    defineRoute(POOL_ENDPOINTS.approvePoolRequest, "operator", async ({ params, caller }) =>
      pools().approve(caller.principal, params.pool, params.request),
    ),
    defineRoute(POOL_ENDPOINTS.refusePoolRequest, "operator", async ({ params, caller }) =>
      pools().refuse(caller.principal, params.pool, params.request),
    ),
    defineRoute(POOL_ENDPOINTS.pairPool, "operator", async ({ params, body, caller }) => {
      const { validity, uses = 1 } = body;
      const validityMs =
        validity === undefined ? limits.PAIRING_VALIDITY_MS : parseDurationMs(validity);
      return pools().pair(caller.principal, params.pool, { validityMs, uses });
    }),
    defineRoute(POOL_ENDPOINTS.removePoolMember, "operator", async ({ params, caller }) =>
      pools().remove(caller.principal, params.pool, params.member),
    ),
  ];
}

function poolsOf({ pools }: Pick<NodeServices, "pools">): PoolService {
  if (pools !== undefined) return pools;
  throw new MeshError("MESH_NOT_FOUND", {
    message: "this node has no pools: its mesh is switched off",
    hint: "Pools need the mesh: leave `mesh.enabled` at `auto`.",
  });
}
