/** How a node without a coordinator is watched: metrics and health, without a web framework. */
import type { Clock, Logger } from "@hearthmesh/core";
import type { HealthResponse } from "@hearthmesh/gateway/contracts";
import {
  METRICS_CONTENT_TYPE,
  MetricsDoor,
  type MetricValue,
  metricsText,
} from "@hearthmesh/gateway/plain";
import type { Config } from "./config/config.js";
import type { CredentialHolder } from "./credential-holder.js";
import type { NodeRecord } from "./home.js";
import type { LinkDoors } from "./link-doors.js";
import { meshMetrics } from "./mesh/mesh-metrics.js";
import type { MeshPart } from "./mesh/mesh-part.js";
import { processMetrics } from "./process-metrics.js";
import type { StoragePart } from "./storage-part.js";

export function storageDoor(options: {
  config: Config;
  record: NodeRecord;
  storage: StoragePart;
  credentials: CredentialHolder;
  links: LinkDoors;
  mesh: MeshPart | undefined;
  /** Of models on this node; absent while the mesh is off. */
  models?: () => Promise<MetricValue[]>;
  startedAtMs: number;
  clock: Clock;
  log: Logger;
}): MetricsDoor {
  const { config, storage, clock, log } = options;
  const health = async () => storageHealth(storage);
  return new MetricsDoor({
    ...config.metrics,
    clock,
    log,
    metrics: async () => ({
      contentType: METRICS_CONTENT_TYPE,
      body: metricsText([
        ...(await storageMetrics(options)),
        ...processMetrics(options),
        ...meshMetrics(options.mesh, options.record.name),
        ...((await options.models?.()) ?? []),
      ]),
    }),
    health,
    ready: health,
  });
}

async function storageMetrics(options: {
  record: NodeRecord;
  storage: StoragePart;
}): Promise<MetricValue[]> {
  const labels = { node: options.record.name };
  const report = await options.storage.chunkStore.report();
  return [
    { name: "mesh_storage_capacity_bytes", labels, value: report.capacityBytes },
    { name: "mesh_storage_used_bytes", labels, value: report.usedBytes },
    { name: "mesh_chunks", labels, value: report.chunkCount },
    { name: "mesh_chunks_corrupt", labels, value: report.corruptChunks },
  ];
}

/** Ready means registered with the coordinator and willing to take chunks. */
export async function storageHealth(storage: StoragePart): Promise<HealthResponse> {
  const { phase, lastError } = storage.agent.state;
  const { readOnly } = await storage.chunkStore.report();
  if (phase !== "online") {
    const reason = `not connected to the coordinator${lastError ? `: ${lastError.message}` : ""}`;
    return { status: "failing", checks: [{ name: "coordinator", status: "failing", reason }] };
  }
  if (readOnly !== undefined) {
    return { status: "degraded", checks: [{ name: "disk", status: "degraded", reason: readOnly }] };
  }
  return { status: "ok", checks: [{ name: "coordinator", status: "ok" }] };
}
