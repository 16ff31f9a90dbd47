/** Metrics of models: requests at `/v1`, rings, exchanges. */
import { type MetricDefinition, metric } from "./metric-definition.js";

export const AI_METRICS = {
  mesh_ai_requests_total: metric(
    "counter",
    "Requests to models at this node's /v1, by what became of them",
    ["node", "operation", "outcome"],
    'mesh_ai_requests_total{node="alice-coordinator",operation="chat",outcome="ok"} 12',
  ),
  mesh_ai_requests_in_flight: metric(
    "gauge",
    "Requests to models under way at this node's /v1",
    ["node"],
    'mesh_ai_requests_in_flight{node="alice-coordinator"} 1',
  ),
  mesh_ai_tokens_total: metric(
    "counter",
    "Tokens of prompts and of answers at this node's /v1",
    ["node", "kind"],
    'mesh_ai_tokens_total{node="alice-coordinator",kind="completion"} 4711',
  ),
  mesh_ai_first_tokens_total: metric(
    "counter",
    "Answers of which at least one token came",
    ["node"],
    'mesh_ai_first_tokens_total{node="alice-coordinator"} 12',
  ),
  mesh_ai_first_token_seconds_total: metric(
    "counter",
    "Time from request to first token, added up: divide by mesh_ai_first_tokens_total",
    ["node"],
    'mesh_ai_first_token_seconds_total{node="alice-coordinator"} 3.2',
  ),
  mesh_ai_held_bytes: metric(
    "gauge",
    "Memory of the shards of models on this node, as they were planned",
    ["node"],
    'mesh_ai_held_bytes{node="alice-coordinator"} 701234567',
  ),
  mesh_ai_pulled_bytes_total: metric(
    "counter",
    "Bytes of models that this node fetched from the collective",
    ["node"],
    'mesh_ai_pulled_bytes_total{node="alice-coordinator"} 1048576',
  ),
  mesh_ai_copies_removed_total: metric(
    "counter",
    "Local copies of models that went because there was no room",
    ["node"],
    'mesh_ai_copies_removed_total{node="alice-coordinator"} 0',
  ),
  mesh_ai_rings: metric(
    "gauge",
    "Models that this node leads, loaded or on their way",
    ["node"],
    'mesh_ai_rings{node="alice-coordinator"} 1',
  ),
  mesh_ai_ring_epoch: metric(
    "gauge",
    "Epoch of a ring that this node leads: it rises when a member is lost or another plan is made",
    ["node", "model"],
    'mesh_ai_ring_epoch{node="alice-coordinator",model="demo"} 2',
  ),
  mesh_ai_replays_total: metric(
    "counter",
    "Answers that went on from their token logs in a new epoch, since the ring was loaded",
    ["node", "model"],
    'mesh_ai_replays_total{node="alice-coordinator",model="demo"} 1',
  ),
  mesh_ai_exchanges_total: metric(
    "counter",
    "Partial sums that were added up over the ring, since it was loaded",
    ["node", "model"],
    'mesh_ai_exchanges_total{node="alice-coordinator",model="demo"} 42000',
  ),
  mesh_ai_exchange_seconds_total: metric(
    "counter",
    "Time in exchanges, with waiting for the slowest member, since the ring was loaded",
    ["node", "model"],
    'mesh_ai_exchange_seconds_total{node="alice-coordinator",model="demo"} 9.1',
  ),
  mesh_ai_compute_seconds_total: metric(
    "counter",
    "Time that the engine of this node computed, since the ring was loaded",
    ["node", "model"],
    'mesh_ai_compute_seconds_total{node="alice-coordinator",model="demo"} 21.5',
  ),
  mesh_ai_tensor_bytes_total: metric(
    "counter",
    "Bytes between the engines of a ring, since it was loaded",
    ["node", "model", "direction"],
    'mesh_ai_tensor_bytes_total{node="alice-coordinator",model="demo",direction="out"} 86016000',
  ),
} as const satisfies Record<string, MetricDefinition>;
