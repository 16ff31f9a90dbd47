/** Health: for load balancers and people. Public, because a probe has no certificate. */
import { ENDPOINTS, type HealthResponse } from "../contracts/index.js";
import { healthStatus } from "../plain/metrics-door.js";
import { defineRoute, type Route } from "../server/route.js";
import type { GatewayServices } from "../services.js";

export function healthRoutes(services: GatewayServices): Route[] {
  return [
    defineRoute(ENDPOINTS.health, "public", async ({ reply }) => {
      const health = await services.health();
      reply.code(healthStatus(health));
      return health;
    }),
    defineRoute(ENDPOINTS.live, "public", async (): Promise<HealthResponse> => {
      return { status: "ok", checks: [] };
    }),
    defineRoute(ENDPOINTS.ready, "public", async ({ reply }) => {
      const health = await services.ready();
      reply.code(healthStatus(health));
      return health;
    }),
  ];
}
