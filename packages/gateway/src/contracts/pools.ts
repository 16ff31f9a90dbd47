/** Pools: machines of this member that run models together. */
import { limits } from "@hearthmesh/core";
import { z } from "zod";
import { NodeRole, Timestamp } from "./common.js";
import type { Endpoint } from "./endpoint.js";
import { EnrolResponse } from "./trust.js";

const PoolIdOrName = z.string().min(1).max(63);
const Words = z.string().describe("Four words that stand for the machine's key");

export const PoolMemberView = z
  .lazy(() =>
    z.object({
      nodeId: z.string(),
      name: z.string(),
      role: z.enum(["admin", "member"]),
      position: z.number().int().describe("In the ring, from 0"),
      columns: z
        .object({ from: z.number().int(), to: z.number().int() })
        .describe("Of 8,192; `to` does not belong to it"),
      capacity: z.number().int().describe("Its share against that of the others"),
      lanAddress: z.string().nullable().describe("`host:port`; null when it was never seen"),
      isSelf: z.boolean(),
      status: z.enum(["online", "offline"]),
      lastSeen: Timestamp.nullable(),
    }),
  )
  .meta({ id: "PoolMember" });
export type PoolMemberView = z.infer<typeof PoolMemberView>;

export const PoolView = z
  .lazy(() =>
    z.object({
      poolId: z.string(),
      name: z.string(),
      networkId: z.string(),
      rootPublicKey: z.string(),
      epoch: z.number().int(),
      members: z.array(PoolMemberView).describe("In the order of the ring"),
    }),
  )
  .meta({ id: "Pool" });
export type PoolView = z.infer<typeof PoolView>;

export const PoolRequestView = z
  .lazy(() =>
    z.object({
      nodeId: z.string(),
      name: z.string().describe("As the machine calls itself"),
      words: Words,
      address: z.string(),
      since: Timestamp,
      expires: Timestamp,
    }),
  )
  .meta({ id: "PoolRequest" });
export type PoolRequestView = z.infer<typeof PoolRequestView>;

const PoolParams = z.lazy(() => z.object({ pool: PoolIdOrName.describe("Id or name") }));
const PoolRequestParams = z.lazy(() =>
  PoolParams.unwrap().extend({
    request: z.string().min(1).max(128).describe("Words, name, or the beginning of the node id"),
  }),
);

export const PoolsResponse = z.lazy(() => z.object({ pools: z.array(PoolView) }));
export type PoolsResponse = z.infer<typeof PoolsResponse>;
export const PoolResponse = z.lazy(() => z.object({ pool: PoolView }));
export type PoolResponse = z.infer<typeof PoolResponse>;

export const PoolCreateRequest = z.lazy(() =>
  z.object({ name: PoolIdOrName, networkId: PoolIdOrName.exactOptional() }).strict(),
);
export type PoolCreateRequest = z.infer<typeof PoolCreateRequest>;

export const PoolRequestsResponse = z.lazy(() => z.object({ requests: z.array(PoolRequestView) }));
export type PoolRequestsResponse = z.infer<typeof PoolRequestsResponse>;

export const PoolDecisionResponse = z.lazy(() =>
  z.object({
    nodeId: z.string(),
    name: z.string().describe("As it is called here from now on"),
    words: Words,
  }),
);
export type PoolDecisionResponse = z.infer<typeof PoolDecisionResponse>;

export const PoolPairRequest = z.lazy(() =>
  z
    .object({
      validity: z.string().max(32).exactOptional().describe("`10m`; at most a day"),
      uses: z.number().int().min(1).max(64).exactOptional().describe("Machines; 1 when left out"),
    })
    .strict(),
);
export type PoolPairRequest = z.infer<typeof PoolPairRequest>;

export const PoolPairResponse = z.lazy(() =>
  z.object({
    code: z.string().describe("Shown once"),
    notAfter: Timestamp,
    uses: z.number().int(),
  }),
);
export type PoolPairResponse = z.infer<typeof PoolPairResponse>;

export const PoolRemoveResponse = z.lazy(() => z.object({ nodeId: z.string(), name: z.string() }));
export type PoolRemoveResponse = z.infer<typeof PoolRemoveResponse>;

/** On the enrolment door. Asked again with the same key, it is the same request. */
export const PoolJoinRequest = z.lazy(() =>
  z
    .object({
      poolId: z.string().max(64),
      networkId: z.string().max(63).exactOptional(),
      name: z.string().min(1).max(63).describe("What the machine wants to be called"),
      roles: z.array(NodeRole).max(4).exactOptional(),
      csrPem: z.string().min(1).max(limits.CSR_BYTES_MAX).describe("PKCS#10, PEM"),
      pairing: z
        .object({ id: z.string().max(16), proof: z.string().max(128) })
        .exactOptional()
        .describe("Of a pairing code: its id, and an HMAC with its secret; see docs/pools.md"),
      waitMs: z.number().int().min(0).max(30_000).exactOptional().describe("For a decision"),
    })
    .strict(),
);
export type PoolJoinRequest = z.infer<typeof PoolJoinRequest>;

export const PoolJoinResponse = z
  .lazy(() =>
    z.object({
      state: z.enum(["waiting", "joined"]),
      words: Words,
      poolName: z.string(),
      networkId: z.string(),
      enrolment: EnrolResponse.exactOptional(),
      roster: z.record(z.string(), z.unknown()).exactOptional().describe("Signed by the root key"),
    }),
  )
  .meta({ id: "PoolJoin" });
export type PoolJoinResponse = z.infer<typeof PoolJoinResponse>;

export const POOL_ENDPOINTS = {
  pools: {
    method: "GET",
    path: "/api/pools",
    tag: "mesh",
    summary: "The pools that this node knows, with their members",
    response: PoolsResponse,
  },
  pool: {
    method: "GET",
    path: "/api/pools/:pool",
    tag: "mesh",
    summary: "One pool",
    params: PoolParams,
    response: PoolResponse,
  },
  createPool: {
    method: "POST",
    path: "/api/pools",
    tag: "mesh",
    summary: "Make a pool; this node is its admin",
    successStatus: 201,
    body: PoolCreateRequest,
    response: PoolResponse,
  },
  poolRequests: {
    method: "GET",
    path: "/api/pools/:pool/requests",
    tag: "mesh",
    summary: "Machines that ask to join",
    params: PoolParams,
    response: PoolRequestsResponse,
  },
  approvePoolRequest: {
    method: "POST",
    path: "/api/pools/:pool/requests/:request/approve",
    tag: "mesh",
    summary: "Let a machine in that asks to join",
    params: PoolRequestParams,
    response: PoolDecisionResponse,
  },
  refusePoolRequest: {
    method: "POST",
    path: "/api/pools/:pool/requests/:request/refuse",
    tag: "mesh",
    summary: "Turn a machine away that asks to join",
    params: PoolRequestParams,
    response: PoolDecisionResponse,
  },
  pairPool: {
    method: "POST",
    path: "/api/pools/:pool/pairing",
    tag: "mesh",
    summary: "A code that lets a machine in without a question",
    params: PoolParams,
    body: PoolPairRequest,
    response: PoolPairResponse,
  },
  removePoolMember: {
    method: "DELETE",
    path: "/api/pools/:pool/members/:member",
    tag: "mesh",
    summary: "Take a machine out of the pool; it stays a node of the member",
    params: PoolParams.unwrap().extend({
      member: z.string().min(1).max(64).describe("Name or node id"),
    }),
    response: PoolRemoveResponse,
  },
} as const satisfies Record<string, Endpoint>;

export const POOL_ENROLMENT_ENDPOINTS = {
  joinPool: {
    method: "POST",
    path: "/enrol/pool",
    tag: "enrolment",
    summary: "Ask to join a pool, with a pairing code or until the admin has decided",
    body: PoolJoinRequest,
    response: PoolJoinResponse,
  },
} as const satisfies Record<string, Endpoint>;
