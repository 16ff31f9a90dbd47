/** Every route of the API; both API doors have the same. */
import type { Route } from "../server/route.js";
import type { GatewayServices } from "../services.js";
import { auditRoutes } from "./audit-routes.js";
import { backupRoutes } from "./backup-routes.js";
import { coordinatorRoutes } from "./coordinator-routes.js";
import { copiesRoutes } from "./copies-routes.js";
import { documentRoute } from "./document-route.js";
import { fileRoutes } from "./file-routes.js";
import { fsckRoutes } from "./fsck-routes.js";
import { grantRoutes } from "./grant-routes.js";
import { healthRoutes } from "./health-routes.js";
import { introductionRoutes } from "./introduction-routes.js";
import { keyRoutes } from "./key-routes.js";
import { keyValueMoreRoutes } from "./key-value-more-routes.js";
import { keyValueRoutes } from "./key-value-routes.js";
import { layoutRoutes } from "./layout-routes.js";
import { meshRoutes } from "./mesh-routes.js";
import { meshViewRoutes } from "./mesh-view-routes.js";
import { nodeRoutes } from "./node-routes.js";
import { peerRoutes } from "./peer-routes.js";
import { serviceRoutes } from "./service-routes.js";
import { storeRoutes } from "./store-routes.js";
import { trashRoutes } from "./trash-routes.js";
import { trustRoutes } from "./trust-routes.js";
import { workerRoutes } from "./worker-routes.js";

export function apiRoutes(services: GatewayServices): Route[] {
  return [
    ...healthRoutes(services),
    ...meshRoutes(services),
    ...coordinatorRoutes(services),
    ...layoutRoutes(services),
    ...meshViewRoutes(services),
    ...serviceRoutes(services),
    ...introductionRoutes(services),
    ...keyRoutes(services),
    ...auditRoutes(services),
    ...trustRoutes(services),
    ...peerRoutes(services),
    ...grantRoutes(services),
    ...fileRoutes(services),
    ...keyValueRoutes(services),
    ...keyValueMoreRoutes(services),
    ...backupRoutes(services),
    ...storeRoutes(services),
    ...workerRoutes(services),
    ...fsckRoutes(services),
    ...trashRoutes(services),
    ...copiesRoutes(services),
    ...nodeRoutes(services, services.authority),
    documentRoute(),
  ];
}
