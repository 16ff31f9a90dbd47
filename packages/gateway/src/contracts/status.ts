/** Health, status, nodes and layout. */
import { z } from "zod";
import { Flag, NodeRole, TimeMs, Timestamp } from "./common.js";
import { CopiesView } from "./copies.js";

export const HealthState = z.enum(["ok", "degraded", "failing", "unknown"]);
export type HealthState = z.infer<typeof HealthState>;

export const HealthCheck = z.lazy(() =>
  z.object({
    name: z.string(),
    status: HealthState,
    reason: z.string().exactOptional().describe("Why it is not `ok`"),
    durationMs: z.number().exactOptional().describe("How long it took, where work was tried"),
    ageMs: z.number().exactOptional().describe("Since then: results serve for some seconds"),
  }),
);
export type HealthCheck = z.infer<typeof HealthCheck>;

/** `status` is the worst of the checks; `unknown` when something was not looked at yet. */
export const HealthResponse = z
  .lazy(() => z.object({ status: HealthState, checks: z.array(HealthCheck) }))
  .meta({ id: "Health" });
export type HealthResponse = z.infer<typeof HealthResponse>;

export const NodeState = z.enum(["online", "offline", "draining", "drained"]);
export type NodeState = z.infer<typeof NodeState>;

/** A storage node as `status` shows it; the names are those of the homelab guide. */
export const StatusNode = z.lazy(() =>
  z.object({
    id: z.string(),
    name: z.string(),
    state: NodeState,
    total_capacity: z.number().nullable().describe("Bytes; null until the node has reported"),
    used_capacity: z.number().nullable().describe("Bytes; null until the node has reported"),
    chunk_count: z.number().nullable(),
    addresses: z.array(z.string()),
    last_seen: Timestamp.nullable(),
    reason: z.string().exactOptional().describe("Why it is not online or takes no new chunks"),
    drain_chunks_left: z.number().int().exactOptional().describe("What it still has to give away"),
  }),
);
export type StatusNode = z.infer<typeof StatusNode>;

export const WorkerStatus = z.lazy(() =>
  z.object({
    name: z.string(),
    state: z.string(),
    lastRunMs: TimeMs.nullable(),
    done: z.number(),
    errors: z.number(),
  }),
);
export type WorkerStatus = z.infer<typeof WorkerStatus>;

export const ReplicationStatus = z.lazy(() =>
  z.object({
    replicas: z.number().int().describe("Copies that every chunk should have"),
    acksNeeded: z.number().int().describe("Copies on disk before a write is answered"),
    zonesAvailable: z
      .number()
      .int()
      .describe("Different places (member and site) with an online storage node"),
    note: z.string().exactOptional().describe("Set when less than the wish is possible, with why"),
    repairQueue: z.number().int().describe("Chunks that wait for another copy"),
    lastRepairWalkMs: TimeMs.exactOptional(),
  }),
);
export type ReplicationStatus = z.infer<typeof ReplicationStatus>;

export const StatusResponse = z
  .lazy(() =>
    z.object({
      time: Timestamp,
      member: z.object({ id: z.string(), trustDomain: z.string(), caPin: z.string() }),
      node: z.object({
        id: z.string(),
        name: z.string(),
        roles: z.array(NodeRole),
        version: z.string(),
        uptimeMs: z.number(),
      }),
      health: z.object({ status: HealthState, reasons: z.array(z.string()) }),
      leader: z
        .object({
          nodeId: z.string(),
          name: z.string(),
          epoch: z.number().int().describe("Grows with every new leader"),
          isHere: z.boolean().describe("It is the node that answers"),
        })
        .exactOptional()
        .describe("The coordinator that leads; missing while none does"),
      replication: ReplicationStatus,
      copies: CopiesView.nullable().describe("At friends; null where nobody knows of them now"),
      local_nodes: z.array(StatusNode).describe("Storage nodes of this member"),
      remote_nodes: z.array(StatusNode).describe("Storage nodes of other members"),
      totals: z.object({
        nodes: z.number().int(),
        online: z.number().int(),
        capacityBytes: z.number(),
        usedBytes: z.number(),
        files: z.number().int().exactOptional(),
      }),
      workers: z.array(WorkerStatus),
      certificate: z.object({ notAfter: Timestamp }),
    }),
  )
  .meta({ id: "Status" });
export type StatusResponse = z.infer<typeof StatusResponse>;

export const StorageReport = z.lazy(() =>
  z.object({
    capacityBytes: z.number(),
    usedBytes: z.number(),
    freeBytes: z.number(),
    chunkCount: z.number(),
    corruptChunks: z.number(),
    readOnly: z.string().exactOptional(),
  }),
);

export const NodeView = z
  .lazy(() =>
    z.object({
      nodeId: z.string(),
      name: z.string(),
      memberId: z.string(),
      roles: z.array(NodeRole),
      addresses: z.array(z.string()),
      version: z.string(),
      state: NodeState,
      lastSeenMs: TimeMs,
      drainChunksLeft: z
        .number()
        .int()
        .exactOptional()
        .describe("While it drains: chunks that it still has to give away, once they were counted"),
      storage: StorageReport.exactOptional(),
    }),
  )
  .meta({ id: "Node" });
export type NodeView = z.infer<typeof NodeView>;

export const NodesResponse = z.lazy(() => z.object({ nodes: z.array(NodeView) }));
export type NodesResponse = z.infer<typeof NodesResponse>;

export const NodeParams = z.lazy(() =>
  z.object({ node: z.string().min(1).max(64).describe("Name or node id") }),
);
export type NodeParams = z.infer<typeof NodeParams>;

export const NodeRemoveQuery = z.lazy(() =>
  z.object({
    force: Flag.default(false).describe("Also when the only copies of files go with it"),
  }),
);

/** The node is revoked and no longer in the layout; repair makes the copies that it held. */
export const NodeRemoveResponse = z.lazy(() =>
  z.object({
    nodeId: z.string(),
    name: z.string(),
    layoutVersion: z.number().int(),
    chunksHeld: z
      .number()
      .int()
      .exactOptional()
      .describe("Chunks of files that it had: repair makes new copies of them"),
    introduced: z.boolean().exactOptional().describe("It was of another mesh, and is forgotten"),
  }),
);
export type NodeRemoveResponse = z.infer<typeof NodeRemoveResponse>;

export const LayoutResponse = z
  .lazy(() =>
    z.object({
      v: z.literal(1),
      version: z.number().int(),
      replicas: z.number().int(),
      nodes: z.array(
        z.object({
          nodeId: z.string(),
          name: z.string(),
          zone: z.object({ memberId: z.string(), site: z.string() }),
          capacityBytes: z.number().describe("Weight in placement; 0 while it drains"),
          chosen: z
            .array(z.enum(["capacity", "site"]))
            .exactOptional()
            .describe("What the operator set, and the node's own word does not change"),
          drainingFromBytes: z.number().exactOptional().describe("While it drains: what it had"),
          easedFromBytes: z
            .number()
            .exactOptional()
            .describe("While healing asks less of it, as its disk was filling: what it offers"),
          quarantinedAtMs: TimeMs.exactOptional().describe(
            "It drains since then because it gave back damaged chunks",
          ),
        }),
      ),
      acks: z.number().int().exactOptional().describe("When the operator chose it"),
    }),
  )
  .meta({ id: "Layout" });
export type LayoutResponse = z.infer<typeof LayoutResponse>;
