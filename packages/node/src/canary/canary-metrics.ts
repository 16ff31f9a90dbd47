/** What the canary found last, as metrics. */
import type { HealthCheck } from "@hearthmesh/gateway/contracts";
import type { MetricValue } from "@hearthmesh/gateway/plain";

export const HEALTH_VALUES = { ok: 1, degraded: 0.5, failing: 0, unknown: Number.NaN } as const;

/** Of those checks that were tried, which are the ones that took time. */
export function canaryMetrics(checks: readonly HealthCheck[], node: string): MetricValue[] {
  return checks.flatMap(({ name: step, status, durationMs }): MetricValue[] => {
    if (durationMs === undefined) return [];
    const labels = { node, step };
    return [
      { name: "mesh_canary_status", labels, value: HEALTH_VALUES[status] },
      { name: "mesh_canary_seconds", labels, value: durationMs / 1_000 },
    ];
  });
}
