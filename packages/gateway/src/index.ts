/**
 * `@hearthmesh/gateway`: the HTTP doors of a node.
 *
 * - `LoopbackDoor`: the first page and the API in plaintext on loopback; the caller is the
 *   operator.
 * - `ApiDoor`: the same API under mutual TLS; the certificate says who calls.
 * - `EnrolmentDoor`: redeems invites and recovers identities, over TLS with a pinned CA.
 * - `MetricsDoor`: Prometheus metrics and health; alone it is in `@hearthmesh/gateway/plain`.
 *
 * The shapes of the API are in `@hearthmesh/gateway/contracts`; what the doors need from the node
 * is `GatewayServices`.
 *
 * @packageDocumentation
 */
export type { BackupService } from "./backup-service.js";
export { copiesView } from "./copies-view.js";
export { ApiDoor, type ApiDoorOptions } from "./doors/api-door.js";
export { EnrolmentDoor, type EnrolmentDoorOptions } from "./doors/enrolment-door.js";
export type { UpgradeHandler } from "./doors/http-door.js";
export { LoopbackDoor, type LoopbackDoorOptions } from "./doors/loopback-door.js";
export { nodeApi } from "./doors/node-api.js";
export { EventFeed } from "./events/event-feed.js";
export { incidentSummary } from "./healing/incident-view.js";
export { IDENTITY_LIMITS, type IntroductionServices } from "./introduction-services.js";
export { HttpMetrics } from "./metrics/http-metrics.js";
export type { ModelService } from "./model-service.js";
export { OpenAiService, type OpenAiServiceOptions } from "./openai/openai-service.js";
export { openApiDocument } from "./openapi/lazy-document.js";
export type { PeerExchange, PeeringService } from "./peering-service.js";
export type { DoorAddress } from "./plain/listen.js";
export { MetricsDoor, type MetricsDoorOptions } from "./plain/metrics-door.js";
export {
  METRICS,
  type MetricName,
  type MetricValue,
  metricsPage,
} from "./plain/metrics-table.js";
export type { PoolJoinOutcome, PoolService } from "./pool-service.js";
export { serviceUpgrade } from "./routes/service-routes.js";
export type {
  AuthorityService,
  CoordinatorService,
  DoorCredentials,
  FileService,
  GatewayServices,
  NodeServices,
  RequestTraces,
  TraceScope,
} from "./services.js";
export type { StoreService } from "./store-service.js";
