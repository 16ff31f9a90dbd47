/** What a storage node tells of its own disk, also where it is a coordinator too. */
import type { StorageReport } from "@hearthmesh/collective";
import type { MetricValue } from "@hearthmesh/gateway/plain";

export function storageMetrics(report: StorageReport | undefined, node: string): MetricValue[] {
  if (report === undefined) return [];
  const labels = { node };
  return [
    { name: "mesh_storage_capacity_bytes", labels, value: report.capacityBytes },
    { name: "mesh_storage_used_bytes", labels, value: report.usedBytes },
    { name: "mesh_storage_read_only", labels, value: report.readOnly === undefined ? 0 : 1 },
    { name: "mesh_chunks", labels, value: report.chunkCount },
    { name: "mesh_chunks_corrupt", labels, value: report.corruptChunks },
  ];
}
