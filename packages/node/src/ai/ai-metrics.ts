/** What Prometheus sees of the models on this node. */
import type { MetricValue } from "@hearthmesh/gateway/plain";
import type { InferenceStats, NodeRings } from "@hearthmesh/pool";

export function aiMetrics(node: string, rings: NodeRings, stats: InferenceStats): MetricValue[] {
  const heldBytes = rings.held.reduce((sum, { memoryBytes }) => sum + memoryBytes, 0);
  return [
    { name: "mesh_ai_held_bytes", labels: { node }, value: heldBytes },
    { name: "mesh_ai_rings", labels: { node }, value: rings.led.length },
    ...stats.models.flatMap(({ model, worker }): MetricValue[] => {
      const labels = { node, model };
      const sent = { ...labels, direction: "out" };
      const received = { ...labels, direction: "in" };
      return [
        { name: "mesh_ai_ring_epoch", labels, value: worker.epoch },
        { name: "mesh_ai_replays_total", labels, value: worker.replays },
        { name: "mesh_ai_exchanges_total", labels, value: worker.exchanges },
        { name: "mesh_ai_exchange_seconds_total", labels, value: worker.exchangeMs / 1000 },
        { name: "mesh_ai_compute_seconds_total", labels, value: worker.computeMs / 1000 },
        { name: "mesh_ai_tensor_bytes_total", labels: sent, value: worker.bytesSent },
        { name: "mesh_ai_tensor_bytes_total", labels: received, value: worker.bytesReceived },
      ];
    }),
  ];
}
