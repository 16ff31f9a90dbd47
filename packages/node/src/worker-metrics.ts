/** The metrics of the background work, as the leading coordinator tells it. */
import type { WorkerInspection } from "@hearthmesh/collective";
import type { MetricValue } from "@hearthmesh/gateway";

const STATES = ["stopped", "idle", "running", "paused"] as const;

export function workerMetrics(
  workers: readonly WorkerInspection[],
  member: { readonly member: string },
): MetricValue[] {
  return workers.flatMap((worker): MetricValue[] => {
    const labels = { ...member, worker: worker.name };
    const { done, errors, bytes, queue, state, lastRunMs } = worker;
    const values: MetricValue[] = [
      { name: "collective_worker_done_total", labels, value: done },
      { name: "collective_worker_errors_total", labels, value: errors },
      { name: "collective_worker_bytes_total", labels, value: bytes },
      { name: "collective_worker_queue", labels, value: queue },
      { name: "collective_worker_state", labels, value: STATES.indexOf(state) },
    ];
    if (lastRunMs === undefined) return values;
    const name = "collective_worker_last_run_timestamp_seconds";
    return [...values, { name, labels, value: lastRunMs / 1_000 }];
  });
}
