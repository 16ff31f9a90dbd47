/** Services of the mesh: what runs where, whether it works, and a connection to it. */
export { HealthChecker } from "./health-checker.js";
export { HEALTH_UNKNOWN, type HealthState } from "./health-machine.js";
export { joinDuplexes } from "./join-duplexes.js";
export { type NamedRecordStorage, NamedRecords } from "./named-records.js";
export * from "./service-access.js";
export {
  parseService,
  type ServiceDefinition,
  type ServiceHealthCheck,
  type ServiceInput,
  type ServiceProtocol,
} from "./service-definition.js";
export { openServiceHealth, type ServiceHealth } from "./service-health.js";
export * from "./service-network.js";
export * from "./service-registry.js";
export { SERVICE_OPEN, timeLimit } from "./service-streams.js";
export type { ServiceCandidate } from "./service-target.js";
