/**
 * Routes that every node has, coordinator or not: pools, models, inference, healing, events. On a
 * node without a coordinator they are served at the loopback address alone (see
 * `../doors/node-api.ts`).
 */
import type { Route } from "../server/route.js";
import type { NodeServices } from "../services.js";
import { eventRoutes, type Judge } from "./event-routes.js";
import { healingRoutes } from "./healing-routes.js";
import { inferenceRoutes } from "./inference-routes.js";
import { modelRoutes } from "./model-routes.js";
import { openAiRoutes } from "./openai-routes.js";
import { poolRoutes } from "./pool-routes.js";
import { ringRoutes } from "./ring-routes.js";

/** `judge` is there where the member's authority is. */
export function nodeRoutes(services: NodeServices, judge?: Judge): Route[] {
  return [
    ...healingRoutes(services, judge),
    ...eventRoutes(services, judge),
    ...poolRoutes(services),
    ...openAiRoutes(services),
    ...inferenceRoutes(services),
    ...modelRoutes(services),
    ...ringRoutes(services),
  ];
}
