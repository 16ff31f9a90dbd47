/** What the node tells about itself: status, health and metrics, from the same facts. */
import type {
  Authority,
  CoordinatorStatus,
  CoordinatorView,
  Leadership,
  NodeInfo,
} from "@hearthmesh/collective";
import type { Clock } from "@hearthmesh/core";
import { copiesView, type MetricValue } from "@hearthmesh/gateway";
import type {
  HealthCheck,
  HealthResponse,
  StatusNode,
  StatusResponse,
} from "@hearthmesh/gateway/contracts";
import { type Canary, worstOf } from "./canary/canary.js";
import { canaryMetrics, HEALTH_VALUES } from "./canary/canary-metrics.js";
import { CANARY_SUMMARY_AGE_MS_MAX } from "./canary/limits.js";
import type { CredentialHolder } from "./credential-holder.js";
import type { NodeRecord } from "./home.js";
import type { LinkDoors } from "./link-doors.js";
import { processMetrics } from "./process-metrics.js";
import { storageMetrics } from "./storage-metrics.js";
import { VERSION } from "./version.js";
import { workerMetrics } from "./worker-metrics.js";

export interface NodeReportOptions {
  record: NodeRecord;
  authority: Authority;
  /** What is known here of nodes and upkeep: at first hand where the leading coordinator runs. */
  view(): CoordinatorView;
  leadership: Leadership;
  credentials: CredentialHolder;
  links: LinkDoors;
  clock: Clock;
  startedAtMs: number;
  /** Does the node's work in small: what it finds is part of health and all of readiness. */
  canary: Canary;
}

type Facts = CoordinatorStatus & { storage: readonly NodeInfo[] };

export class NodeReport {
  readonly #options: NodeReportOptions;

  constructor(options: NodeReportOptions) {
    this.#options = options;
  }

  async status(): Promise<StatusResponse> {
    const { record, authority, credentials, clock, startedAtMs } = this.#options;
    const facts = this.#facts();
    const health = await this.health();
    const capacities = facts.storage.map((node) => node.storage);
    const note = replicationNote(facts);
    const walkMs = facts.replication?.lastWalkMs;
    return {
      time: new Date(clock.nowMs()).toISOString(),
      member: { id: record.memberId, trustDomain: record.trustDomain, caPin: authority.caPin },
      node: {
        id: record.nodeId,
        name: record.name,
        roles: [...record.roles],
        version: VERSION,
        uptimeMs: Math.round(clock.monotonicMs() - startedAtMs),
      },
      health: { status: health.status, reasons: health.checks.flatMap((one) => one.reason ?? []) },
      replication: {
        replicas: facts.replicas,
        acksNeeded: facts.acksNeeded,
        zonesAvailable: facts.zonesAvailable,
        repairQueue: facts.repairQueue,
        ...(note === undefined ? {} : { note }),
        ...(walkMs === undefined ? {} : { lastRepairWalkMs: walkMs }),
      },
      copies: copiesView(facts.copies),
      local_nodes: facts.storage.map(statusNode),
      remote_nodes: [],
      totals: {
        nodes: facts.storage.length,
        online: onlineCount(facts),
        capacityBytes: sum(capacities.map((one) => one?.capacityBytes)),
        usedBytes: sum(capacities.map((one) => one?.usedBytes)),
        ...(facts.totals === undefined ? {} : { files: facts.totals.files }),
      },
      ...this.#leaderOf(),
      workers: facts.workers.map(({ name, state, done, errors, lastRunMs }) => ({
        name,
        state,
        lastRunMs: lastRunMs ?? null,
        done,
        errors,
      })),
      certificate: { notAfter: new Date(credentials.validity.notAfterMs).toISOString() },
    };
  }

  /** Everything that a person should know. */
  async health(): Promise<HealthResponse> {
    const facts = this.#facts();
    return worstOf([
      // Not a run for each: a page that asks every two seconds would wake disks.
      ...(await this.#options.canary.checks(CANARY_SUMMARY_AGE_MS_MAX)),
      this.#leaderCheck(),
      nodesCheck(facts),
      copiesCheck(facts),
      ...friendsCheck(facts),
      this.#certificateCheck(),
    ]);
  }

  /** Whether requests can be served now. */
  async ready(): Promise<HealthResponse> {
    const tried = await this.#options.canary.checks();
    return worstOf([...tried, this.#leaderCheck(), this.#certificateCheck()]);
  }

  async metrics(): Promise<MetricValue[]> {
    const { record, view, leadership } = this.#options;
    const facts = this.#facts();
    const health = await this.health();
    const member = { member: record.memberId };
    const operations = Object.entries(view().operations)
      .filter(([method]) => method.startsWith("file."))
      .map(([method, value]) => ({
        name: "collective_file_operations_total" as const,
        labels: { ...member, operation: method.slice("file.".length) },
        value,
      }));
    const reports = facts.storage.map((node) => node.storage);
    const own = facts.storage.find((node) => node.nodeId === record.nodeId);
    const lacking = facts.replication;
    return [
      {
        name: "collective_cluster_health",
        labels: member,
        value: HEALTH_VALUES[health.status],
      },
      { name: "collective_nodes_total", labels: member, value: facts.storage.length },
      { name: "collective_nodes_online", labels: member, value: onlineCount(facts) },
      {
        name: "collective_storage_capacity_bytes",
        labels: member,
        value: sum(reports.map((one) => one?.capacityBytes)),
      },
      {
        name: "collective_storage_used_bytes",
        labels: member,
        value: sum(reports.map((one) => one?.usedBytes)),
      },
      { name: "collective_repair_queue_chunks", labels: member, value: facts.repairQueue },
      {
        name: "collective_chunks_under_replicated",
        labels: member,
        value: lacking?.underReplicated ?? Number.NaN,
      },
      {
        name: "collective_chunks_unavailable",
        labels: member,
        value: lacking?.unavailable ?? Number.NaN,
      },
      {
        name: "mesh_coordinator_leads",
        labels: { ...member, node: record.name },
        value: leadership.state.role === "leader" ? 1 : 0,
      },
      { name: "mesh_coordinator_epoch", labels: member, value: leadership.state.epoch },
      ...operations,
      ...storageMetrics(own?.storage, record.name),
      ...canaryMetrics(health.checks, record.name),
      ...workerMetrics(facts.workers, member),
      ...processMetrics(this.#options),
    ];
  }

  #leaderOf(): Pick<StatusResponse, "leader"> {
    const { record, leadership } = this.#options;
    const { leader } = leadership.state;
    if (leader === undefined) return {};
    const { nodeId, epoch, data } = leader;
    return { leader: { nodeId, name: data.name, epoch, isHere: nodeId === record.nodeId } };
  }

  #facts(): Facts {
    const { nodes, status } = this.#options.view();
    return { ...status, storage: nodes.filter((node) => node.roles.includes("storage")) };
  }

  #leaderCheck(): HealthCheck {
    const name = "leader";
    if (this.#options.leadership.state.leader !== undefined) return { name, status: "ok" };
    return { name, status: "failing", reason: "no coordinator leads: an election is going on" };
  }

  #certificateCheck(): HealthCheck {
    const { credentials, clock } = this.#options;
    if (clock.nowMs() < credentials.validity.notAfterMs)
      return { name: "certificate", status: "ok" };
    return {
      name: "certificate",
      status: "failing",
      reason: "this node's certificate has expired",
    };
  }
}

function nodesCheck(facts: Facts): HealthCheck {
  const away = facts.storage.filter((node) => node.state === "offline").map((node) => node.name);
  const name = "nodes";
  if (facts.storage.length === 0) {
    return {
      name,
      status: "degraded",
      reason: "there is no storage node: files over 3 KiB cannot be kept",
    };
  }
  if (away.length === 0) return { name, status: "ok" };
  const status = onlineCount(facts) < facts.acksNeeded ? "failing" : "degraded";
  return { name, status, reason: `not connected: ${away.join(", ")}` };
}

/** Nothing to say while no file waits, or nobody has looked yet: then nothing was asked for. */
function friendsCheck({ copies }: Facts): HealthCheck[] {
  const [first] = copies?.reasons ?? [];
  if (copies?.files === undefined || first === undefined) return [];
  const wait = copies.files === 1 ? "1 file waits" : `${copies.files} files wait`;
  const reason = `${wait} for copies at friends: ${first.reason}`;
  return [{ name: "friends", status: "degraded", reason }];
}

function copiesCheck(facts: Facts): HealthCheck {
  const name = "copies";
  const { replication } = facts;
  if (replication === undefined) {
    return { name, status: "unknown", reason: "the copies of chunks have not been compared yet" };
  }
  if (replication.unavailable > 0) {
    const reason = `${replication.unavailable} chunks are on no connected node`;
    return { name, status: "failing", reason };
  }
  if (replication.underReplicated > 0) {
    const reason = `${replication.underReplicated} chunks have fewer copies than they should`;
    return { name, status: "degraded", reason };
  }
  return { name, status: "ok" };
}

function replicationNote(facts: Facts): string | undefined {
  const nodes = facts.storage.length;
  if (nodes >= facts.replicas) return undefined;
  if (nodes === 0) return "there is no storage node yet";
  const copies = nodes === 1 ? "one copy" : `${nodes} copies`;
  const there = `${nodes} of ${facts.replicas} wanted storage nodes are there`;
  return `only ${copies} of each chunk: ${there}`;
}

function statusNode(node: NodeInfo): StatusNode {
  const reason = reasonOf(node);
  const left = node.drainChunksLeft;
  return {
    id: node.nodeId,
    name: node.name,
    state: node.state,
    total_capacity: node.storage?.capacityBytes ?? null,
    used_capacity: node.storage?.usedBytes ?? null,
    chunk_count: node.storage?.chunkCount ?? null,
    addresses: [...node.addresses],
    last_seen: node.lastSeenMs > 0 ? new Date(node.lastSeenMs).toISOString() : null,
    ...(reason === undefined ? {} : { reason }),
    ...(left === undefined ? {} : { drain_chunks_left: left }),
  };
}

function reasonOf(node: NodeInfo): string | undefined {
  const { state, storage, drainChunksLeft: left, isQuarantined = false } = node;
  if (state === "offline") return "not connected";
  if (isQuarantined) return "in quarantine, as it gave back damaged chunks: mesh heal history";
  if (state === "drained") return "drained: mesh node remove takes it out for good";
  if (state !== "draining") return storage?.readOnly;
  const some = left === 0 ? "it is looked at again" : `${left} chunks left`;
  return left === undefined ? "what it has is being counted" : some;
}

function onlineCount(facts: Facts): number {
  return facts.storage.filter((node) => node.state !== "offline").length;
}

function sum(values: readonly (number | undefined)[]): number {
  return values.reduce<number>((total, value) => total + (value ?? 0), 0);
}
