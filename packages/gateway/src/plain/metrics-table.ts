/**
 * Every metric, once: `docs/metrics.md`, the registry of the gateway and the plain text of storage
 * nodes are made from this table. The `collective_*` names are those of the homelab guide.
 */
import { type HistogramReading, type MetricDefinition, metric } from "./metric-definition.js";
import { AI_METRICS as ai } from "./metrics-table-ai.js";
import { HEALING_METRICS as healing } from "./metrics-table-healing.js";

export type { HistogramReading, MetricDefinition };

const collective = {
  collective_cluster_health: metric(
    "gauge",
    "Health of the member: 1 ok, 0.5 degraded, 0 failing, NaN unknown",
    ["member"],
    'collective_cluster_health{member="alice"} 1',
  ),
  collective_nodes_total: metric(
    "gauge",
    "Storage nodes of the member, online or not",
    ["member"],
    'collective_nodes_total{member="alice"} 3',
  ),
  collective_nodes_online: metric(
    "gauge",
    "Storage nodes of the member that are online",
    ["member"],
    'collective_nodes_online{member="alice"} 3',
  ),
  collective_storage_capacity_bytes: metric(
    "gauge",
    "Bytes that the member's storage nodes offer, all together",
    ["member"],
    'collective_storage_capacity_bytes{member="alice"} 1610612736',
  ),
  collective_storage_used_bytes: metric(
    "gauge",
    "Bytes that chunks take on the member's storage nodes, every copy counted",
    ["member"],
    'collective_storage_used_bytes{member="alice"} 314572800',
  ),
  collective_file_operations_total: metric(
    "counter",
    "File operations that were answered, by operation",
    ["member", "operation"],
    'collective_file_operations_total{member="alice",operation="write"} 42',
  ),
  collective_peer_up: metric(
    "gauge",
    "Whether the last exchange of bundles with a peer went well; NaN when there was none here",
    ["member", "peer"],
    'collective_peer_up{member="alice",peer="bob"} 1',
  ),
  collective_peer_trust_seconds: metric(
    "gauge",
    "Time until nobody of a peer is believed any longer, unless a newer bundle comes",
    ["member", "peer"],
    'collective_peer_trust_seconds{member="alice",peer="bob"} 600000',
  ),
  collective_repair_queue_chunks: metric(
    "gauge",
    "Chunks that wait for another copy",
    ["member"],
    'collective_repair_queue_chunks{member="alice"} 0',
  ),
  collective_chunks_under_replicated: metric(
    "gauge",
    "Chunks with fewer copies than they should have; NaN until they were counted",
    ["member"],
    'collective_chunks_under_replicated{member="alice"} 0',
  ),
  collective_chunks_unavailable: metric(
    "gauge",
    "Chunks that are on no connected node; NaN until they were counted",
    ["member"],
    'collective_chunks_unavailable{member="alice"} 0',
  ),
  collective_worker_done_total: metric(
    "counter",
    "Things that a worker has done since its leader started, such as chunks copied",
    ["member", "worker"],
    'collective_worker_done_total{member="alice",worker="repair"} 12',
  ),
  collective_worker_errors_total: metric(
    "counter",
    "Things that failed in a worker since its leader started",
    ["member", "worker"],
    'collective_worker_errors_total{member="alice",worker="repair"} 0',
  ),
  collective_worker_bytes_total: metric(
    "counter",
    "Bytes that a worker has read or moved since its leader started",
    ["member", "worker"],
    'collective_worker_bytes_total{member="alice",worker="scrub"} 734003200',
  ),
  collective_worker_queue: metric(
    "gauge",
    "Things that a worker knows to be left",
    ["member", "worker"],
    'collective_worker_queue{member="alice",worker="garbage"} 0',
  ),
  collective_worker_state: metric(
    "gauge",
    "What a worker does: 0 stopped, 1 idle, 2 running, 3 paused",
    ["member", "worker"],
    'collective_worker_state{member="alice",worker="scrub"} 1',
  ),
  collective_worker_last_run_timestamp_seconds: metric(
    "gauge",
    "When the last run of a worker ended, in seconds since 1970; missing before the first",
    ["member", "worker"],
    'collective_worker_last_run_timestamp_seconds{member="alice",worker="fsck"} 1795276800',
  ),
} as const satisfies Record<string, MetricDefinition>;

const storage = {
  mesh_storage_capacity_bytes: metric(
    "gauge",
    "Bytes that this node offers",
    ["node"],
    'mesh_storage_capacity_bytes{node="alice-node-01"} 536870912',
  ),
  mesh_storage_used_bytes: metric(
    "gauge",
    "Bytes that chunks take on this node",
    ["node"],
    'mesh_storage_used_bytes{node="alice-node-01"} 104857600',
  ),
  mesh_storage_read_only: metric(
    "gauge",
    "1 while this node takes no new chunks, such as with a full disk",
    ["node"],
    'mesh_storage_read_only{node="alice-node-01"} 0',
  ),
  mesh_chunks: metric(
    "gauge",
    "Chunks on this node",
    ["node"],
    'mesh_chunks{node="alice-node-01"} 100',
  ),
  mesh_chunks_corrupt: metric(
    "gauge",
    "Chunks on this node whose bytes do not match their name",
    ["node"],
    'mesh_chunks_corrupt{node="alice-node-01"} 0',
  ),
} as const satisfies Record<string, MetricDefinition>;

const process = {
  mesh_coordinator_leads: metric(
    "gauge",
    "1 on the coordinator that leads, 0 on the others",
    ["member", "node"],
    'mesh_coordinator_leads{member="alice",node="alice-coordinator"} 1',
  ),
  mesh_coordinator_epoch: metric(
    "gauge",
    "Epoch of the leading coordinator: grows with every new leader",
    ["member"],
    'mesh_coordinator_epoch{member="alice"} 7',
  ),
  mesh_links_open: metric(
    "gauge",
    "Links to other nodes and clients that are open",
    ["node"],
    'mesh_links_open{node="alice-coordinator"} 3',
  ),
  mesh_certificate_expiry_seconds: metric(
    "gauge",
    "Seconds until this node's certificate ends; it is renewed at half its life",
    ["node"],
    'mesh_certificate_expiry_seconds{node="alice-coordinator"} 64800',
  ),
  mesh_canary_status: metric(
    "gauge",
    "What came of real work in small: 1 ok, 0.5 degraded, 0 failing, NaN unknown",
    ["node", "step"],
    'mesh_canary_status{node="alice-coordinator",step="chunk"} 1',
  ),
  mesh_canary_seconds: metric(
    "gauge",
    "How long the real work in small took the last time",
    ["node", "step"],
    'mesh_canary_seconds{node="alice-coordinator",step="chunk"} 0.012',
  ),
  mesh_process_memory_bytes: metric(
    "gauge",
    "Memory of the process that is in RAM (resident set)",
    ["node"],
    'mesh_process_memory_bytes{node="alice-coordinator"} 94371840',
  ),
  mesh_process_uptime_seconds: metric(
    "gauge",
    "Seconds since the node started",
    ["node"],
    'mesh_process_uptime_seconds{node="alice-coordinator"} 86400',
  ),
} as const satisfies Record<string, MetricDefinition>;

const mesh = {
  mesh_peers: metric(
    "gauge",
    "Other nodes of this mesh, by what is believed of them; dead until back or removed",
    ["node", "state"],
    'mesh_peers{node="alice-coordinator",state="alive"} 2',
  ),
  mesh_peer_links: metric(
    "gauge",
    "Links to other nodes of this mesh, by how they get there",
    ["node", "kind"],
    'mesh_peer_links{node="alice-coordinator",kind="relayed"} 1',
  ),
  mesh_routes: metric(
    "gauge",
    "Nodes of this mesh to which a way is known",
    ["node"],
    'mesh_routes{node="alice-coordinator"} 2',
  ),
  mesh_membership_health: metric(
    "gauge",
    "How far this node mistrusts itself: 0 is well, 8 is the most",
    ["node"],
    'mesh_membership_health{node="alice-coordinator"} 0',
  ),
  mesh_datagrams_total: metric(
    "counter",
    "Datagrams of membership, over UDP and over links",
    ["node", "direction"],
    'mesh_datagrams_total{node="alice-coordinator",direction="in"} 4711',
  ),
  mesh_membership_refused_total: metric(
    "counter",
    "Datagrams and records of membership that were refused, by reason",
    ["node", "reason"],
    'mesh_membership_refused_total{node="alice-coordinator",reason="replay"} 0',
  ),
  mesh_relay_streams: metric(
    "gauge",
    "Streams of other nodes that this node passes on now",
    ["node"],
    'mesh_relay_streams{node="alice-coordinator"} 1',
  ),
  mesh_relay_bytes_total: metric(
    "counter",
    "Bytes that this node has passed on for others",
    ["node"],
    'mesh_relay_bytes_total{node="alice-coordinator"} 1048576',
  ),
  mesh_relay_refused_total: metric(
    "counter",
    "Streams that were not passed on, or no longer, by reason",
    ["node", "reason"],
    'mesh_relay_refused_total{node="alice-coordinator",reason="streams"} 0',
  ),
  mesh_overlay_up: metric(
    "gauge",
    "1 while the overlay of this node runs and answers, else 0; only with an overlay",
    ["node"],
    'mesh_overlay_up{node="alice-coordinator"} 1',
  ),
  mesh_overlay_peers: metric(
    "gauge",
    "Overlay peers that are connected with this node directly",
    ["node"],
    'mesh_overlay_peers{node="alice-coordinator"} 2',
  ),
  mesh_overlay_restarts_total: metric(
    "counter",
    "Ends of the overlay's program that nobody asked for; it is started again each time",
    ["node"],
    'mesh_overlay_restarts_total{node="alice-coordinator"} 0',
  ),
  mesh_services: metric(
    "gauge",
    "Services of the mesh as this node knows them, by their health",
    ["node", "health"],
    'mesh_services{node="alice-coordinator",health="ok"} 3',
  ),
} as const satisfies Record<string, MetricDefinition>;

const http = {
  mesh_http_requests_total: metric(
    "counter",
    "HTTP requests that were answered",
    ["door", "method", "route", "status"],
    'mesh_http_requests_total{door="loopback",method="GET",route="/api/status",status="200"} 7',
  ),
  mesh_http_request_duration_seconds: metric(
    "histogram",
    "Time from a request's headers to the end of its answer",
    ["door", "method", "route"],
    "mesh_http_request_duration_seconds_bucket" +
      '{le="0.01",door="api",method="GET",route="/health"} 3',
  ),
  mesh_http_requests_in_flight: metric(
    "gauge",
    "HTTP requests under way",
    ["door"],
    'mesh_http_requests_in_flight{door="api"} 1',
  ),
} as const satisfies Record<string, MetricDefinition>;

export const METRICS = {
  ...collective,
  ...storage,
  ...process,
  ...mesh,
  ...ai,
  ...healing,
  ...http,
} as const;
export type MetricName = keyof typeof METRICS;

/** What the parts of a node report when they are asked: everything but the doors' own numbers. */
type ReportedMetricName =
  | keyof typeof collective
  | keyof typeof storage
  | keyof typeof process
  | keyof typeof mesh
  | keyof typeof ai
  | keyof typeof healing;

export interface MetricValue {
  readonly name: ReportedMetricName;
  /** Exactly the labels that the table names. */
  readonly labels: Readonly<Record<string, string>>;
  /** Of a histogram: how much was observed. */
  readonly value: number;
  /** There when the table says that it is a histogram. */
  readonly histogram?: HistogramReading;
}

/** `docs/metrics.md`. */
export function metricsPage(): string {
  const sections = Object.entries<MetricDefinition>(METRICS).map(
    ([name, { kind, help, labels, sample }]) =>
      [
        `## \`${name}\``,
        "",
        `${help}. A ${kind}; labels: ${labels.map((label) => `\`${label}\``).join(", ")}.`,
        "",
        "```",
        sample,
        "```",
        "",
      ].join("\n"),
  );
  return [
    "# Metrics",
    "",
    "<!-- Made by `npm run docs` from packages/gateway/src/plain/metrics-table.ts. -->",
    "",
    "`GET /metrics` on port 9090 (loopback, unless `metrics.host` says otherwise) answers in the",
    "Prometheus text format. Coordinators serve the `collective_*` values of their member; every",
    "node serves the `mesh_*` and `mapek_*` values about itself, models and HTTP only where it has",
    "them. [Watching](watching.md) has dashboards, [alerts](alerts.md) and a Prometheus for them.",
    "",
    ...sections,
  ].join("\n");
}
