/** How a node without a coordinator is watched: metrics and health, without a web framework. */
import type { Clock, Logger } from "@hearthmesh/core";
import type { HealthCheck, HealthResponse } from "@hearthmesh/gateway/contracts";
import {
  METRICS_CONTENT_TYPE,
  MetricsDoor,
  type MetricValue,
  metricsText,
} from "@hearthmesh/gateway/plain";
import { type Canary, worstOf } from "./canary/canary.js";
import { canaryMetrics } from "./canary/canary-metrics.js";
import { CANARY_SUMMARY_AGE_MS_MAX } from "./canary/limits.js";
import type { Config } from "./config/config.js";
import type { CredentialHolder } from "./credential-holder.js";
import type { HealingMetrics } from "./healing/healing-metrics.js";
import type { NodeRecord } from "./home.js";
import type { LinkDoors } from "./link-doors.js";
import { meshMetrics } from "./mesh/mesh-metrics.js";
import type { MeshPart } from "./mesh/mesh-part.js";
import { processMetrics } from "./process-metrics.js";
import { storageMetrics } from "./storage-metrics.js";
import type { StoragePart } from "./storage-part.js";

export function storageDoor(options: {
  config: Config;
  record: NodeRecord;
  storage: StoragePart;
  canary: Canary;
  credentials: CredentialHolder;
  links: LinkDoors;
  mesh: MeshPart | undefined;
  /** Of models on this node; absent while the mesh is off. */
  models?: () => Promise<MetricValue[]>;
  /** Absent while healing is off. */
  healing?: HealingMetrics | undefined;
  startedAtMs: number;
  clock: Clock;
  log: Logger;
}): MetricsDoor {
  const { config, storage, canary, record, clock, log } = options;
  const { health, ready } = storageHealth(storage, canary);
  return new MetricsDoor({
    ...config.metrics,
    clock,
    log,
    metrics: async () => ({
      contentType: METRICS_CONTENT_TYPE,
      body: metricsText([
        ...storageMetrics(await storage.chunkStore.report(), record.name),
        ...canaryMetrics(await canary.checks(CANARY_SUMMARY_AGE_MS_MAX), record.name),
        ...processMetrics(options),
        ...meshMetrics(options.mesh, options.record.name),
        ...((await options.models?.()) ?? []),
        ...(options.healing?.values() ?? []),
      ]),
    }),
    health,
    ready,
  });
}

/**
 * Ready means registered with the coordinator, and able to keep a chunk and give it back. Health is
 * the same, from a run of the canary that may be older.
 */
export function storageHealth(storage: StoragePart, canary: Canary) {
  const look = async (ageMsMax?: number): Promise<HealthResponse> =>
    worstOf([...(await canary.checks(ageMsMax)), coordinatorCheck(storage)]);
  return { health: () => look(CANARY_SUMMARY_AGE_MS_MAX), ready: () => look() };
}

function coordinatorCheck({ agent }: StoragePart): HealthCheck {
  const name = "coordinator";
  const { phase, lastError } = agent.state;
  if (phase === "online") return { name, status: "ok" };
  const reason = `not connected to the coordinator${lastError ? `: ${lastError.message}` : ""}`;
  return { name, status: "failing", reason };
}
