/** Metrics of the process itself, for every kind of node. */
import type { Clock } from "@hearthmesh/core";
import type { MetricValue } from "@hearthmesh/gateway/plain";
import type { CredentialHolder } from "./credential-holder.js";
import type { NodeRecord } from "./home.js";
import type { LinkDoors } from "./link-doors.js";

/** Values of the process itself, for every kind of node. */
export function processMetrics(options: {
  record: NodeRecord;
  links: LinkDoors;
  credentials: CredentialHolder;
  clock: Clock;
  startedAtMs: number;
}): MetricValue[] {
  const { record, links, credentials, clock, startedAtMs } = options;
  const labels = { node: record.name };
  const leftMs = credentials.validity.notAfterMs - clock.nowMs();
  const upMs = clock.monotonicMs() - startedAtMs;
  return [
    { name: "mesh_links_open", labels, value: links.openLinks },
    { name: "mesh_certificate_expiry_seconds", labels, value: leftMs / 1000 },
    { name: "mesh_process_memory_bytes", labels, value: process.memoryUsage.rss() },
    { name: "mesh_process_uptime_seconds", labels, value: upMs / 1000 },
  ];
}
