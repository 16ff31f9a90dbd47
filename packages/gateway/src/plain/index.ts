/**
 * `@hearthmesh/gateway/plain`: what a node without a gateway needs to be watched, on Node's own
 * HTTP server. Nothing here loads fastify, zod or prom-client.
 *
 * @packageDocumentation
 */
export { ServiceProxy } from "../mesh/service-proxy.js";
export { traceIdOf } from "../mesh/trace-context.js";
export type { MeshService } from "../mesh-service.js";
export { issueWords } from "./issue-words.js";
export type { DoorAddress } from "./listen.js";
export { MetricsDoor, type MetricsDoorOptions } from "./metrics-door.js";
export {
  type HistogramReading,
  METRICS,
  type MetricName,
  type MetricValue,
} from "./metrics-table.js";
export { METRICS_CONTENT_TYPE, metricsText } from "./metrics-text.js";
export { type NodeApi, NodeDoor, type NodeDoorOptions } from "./node-door.js";
