/** The store of the member: its engine, its members, a snapshot of it. For operators. */
import { z } from "zod";
import { Timestamp } from "./common.js";
import type { Endpoint } from "./endpoint.js";

const Bytes = z.number().int().nullable().describe("null when it is not known now");

export const StoreStatusResponse = z
  .lazy(() =>
    z.object({
      engine: z.enum(["sqlite", "etcd"]),
      mode: z
        .enum(["embedded", "supervised", "external"])
        .describe("supervised: an etcd that the coordinators run; external: one that others run"),
      state: z.enum(["ok", "degraded", "failing"]),
      message: z.string().describe("What is so, and what to do when something is wrong"),
      version: z.string().nullable().describe("Of etcd on the machine that answers"),
      revision: z.number().int().nullable(),
      keys: z.number().int().nullable(),
      sizeBytes: Bytes,
      sizeInUseBytes: Bytes,
      quotaBytes: Bytes.describe("Size at which only deletions are taken; null without one"),
      members: z.number().int(),
      voters: z.number().int(),
      healthy: z.number().int().describe("Members that answer"),
      leader: z
        .object({ nodeId: z.string(), name: z.string(), epoch: z.number().int() })
        .nullable()
        .describe("The coordinator that leads, as far as this one knows"),
      lastSnapshot: Timestamp.nullable().describe("Scheduled, in MESH_HOME of this node"),
    }),
  )
  .meta({ id: "StoreStatus" });
export type StoreStatusResponse = z.infer<typeof StoreStatusResponse>;

export const StoreMember = z
  .lazy(() =>
    z.object({
      id: z.string().describe("Hexadecimal; empty for an embedded store"),
      name: z.string().describe("Of its node; empty before its first start"),
      role: z.enum(["voter", "learner", "only"]),
      isLeader: z.boolean().describe("Of etcd; another coordinator may lead the member"),
      health: z.enum(["ok", "unreachable", "not started"]),
      version: z.string().nullable(),
      sizeBytes: Bytes,
      sizeInUseBytes: Bytes,
      addresses: z.array(z.string()),
      errors: z.array(z.string()).describe("As the member tells them, such as an alarm"),
    }),
  )
  .meta({ id: "StoreMember" });
export type StoreMember = z.infer<typeof StoreMember>;

export const StoreMembersResponse = z
  .lazy(() => z.object({ members: z.array(StoreMember).describe("By name") }))
  .meta({ id: "StoreMembers" });
export type StoreMembersResponse = z.infer<typeof StoreMembersResponse>;

export const STORE_ENDPOINTS = {
  storeStatus: {
    method: "GET",
    path: "/api/store/status",
    tag: "mesh",
    summary: "Engine, health, size and leader of the store",
    response: StoreStatusResponse,
  },
  storeMembers: {
    method: "GET",
    path: "/api/store/members",
    tag: "mesh",
    summary: "The members of the store's cluster",
    response: StoreMembersResponse,
  },
  storeSnapshot: {
    method: "GET",
    path: "/api/store/snapshot",
    tag: "mesh",
    summary: "The whole store as one file, which ends with its SHA-256 (32 bytes)",
  },
} as const satisfies Record<string, Endpoint>;
