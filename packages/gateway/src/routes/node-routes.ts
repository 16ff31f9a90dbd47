/**
 * Routes that every node has, coordinator or not: pools, models, inference. On a node without a
 * coordinator they are served at the loopback address alone (see `../doors/node-api.ts`).
 */
import type { Route } from "../server/route.js";
import type { NodeServices } from "../services.js";
import { inferenceRoutes } from "./inference-routes.js";
import { modelRoutes } from "./model-routes.js";
import { openAiRoutes } from "./openai-routes.js";
import { poolRoutes } from "./pool-routes.js";
import { ringRoutes } from "./ring-routes.js";

export function nodeRoutes(services: NodeServices): Route[] {
  return [
    ...poolRoutes(services),
    ...openAiRoutes(services),
    ...inferenceRoutes(services),
    ...modelRoutes(services),
    ...ringRoutes(services),
  ];
}
