/** API keys, nodes of other meshes, allow-lists and the audit trail. */
import { limits } from "@hearthmesh/core";
import { z } from "zod";
import { Flag, TimeMs } from "./common.js";

export const ApiKeyScope = z.enum(["admin", "register", "read", "services", "ai"]);
export type ApiKeyScope = z.infer<typeof ApiKeyScope>;

const Networks = z
  .array(z.string().min(1).max(64))
  .max(limits.ALLOWED_NETWORKS_MAX)
  .describe("Addresses and networks such as `192.168.1.0/24`, `fd00::/64`; empty for all");

const AiLimit = z.number().int().min(1).max(Number.MAX_SAFE_INTEGER);

/** What is left out is as `docs/ai/openai.md` says for every key. */
export const ApiKeyAiLimits = z
  .lazy(() =>
    z
      .object({
        requestsAtOnce: AiLimit.exactOptional(),
        requestsPerMinute: AiLimit.exactOptional(),
        tokensPerDay: AiLimit.exactOptional().describe("Of prompts and answers together"),
      })
      .strict(),
  )
  .meta({ id: "ApiKeyAiLimits" });
export type ApiKeyAiLimits = z.infer<typeof ApiKeyAiLimits>;

export const ApiKeyCreateRequest = z.lazy(() =>
  z
    .object({
      scopes: z.array(ApiKeyScope).min(1).max(5),
      name: z.string().max(64).default("").describe("For people"),
      validity: z.string().max(32).default("90d").describe("`12h`, `30d`; at most 366 days"),
      allowIps: Networks.default([]),
      ai: ApiKeyAiLimits.exactOptional().describe("For a key with the scope `ai`"),
    })
    .strict(),
);
/** What a caller sends: everything but `scopes` has a default. */
export type ApiKeyCreateRequest = z.input<typeof ApiKeyCreateRequest>;

export const ApiKeyView = z
  .lazy(() =>
    z.object({
      id: z.string().describe("Public: names the key in lists and in the audit trail"),
      name: z.string(),
      state: z.enum(["open", "expired", "revoked"]),
      scopes: z.array(ApiKeyScope),
      allowIps: Networks,
      ai: ApiKeyAiLimits.exactOptional(),
      notAfterMs: TimeMs,
      createdAtMs: TimeMs,
      createdBy: z.string(),
      lastUsedAtMs: TimeMs.exactOptional().describe("To the minute"),
      revokedAtMs: TimeMs.exactOptional(),
    }),
  )
  .meta({ id: "ApiKey" });
export type ApiKeyView = z.infer<typeof ApiKeyView>;

export const ApiKeyCreateResponse = z
  .lazy(() =>
    ApiKeyView.unwrap().extend({
      key: z.string().describe("Shown once; only a hash of its secret is kept"),
    }),
  )
  .meta({ id: "ApiKeyCreated" });
export type ApiKeyCreateResponse = z.infer<typeof ApiKeyCreateResponse>;

export const ApiKeysResponse = z.lazy(() => z.object({ keys: z.array(ApiKeyView) }));
export type ApiKeysResponse = z.infer<typeof ApiKeysResponse>;

export const ApiKeyParams = z.lazy(() =>
  z.object({
    key: z.string().min(1).max(64).describe("Id or name of a key"),
  }),
);

export const ApiKeyRevokeResponse = z.lazy(() => z.object({ revoked: ApiKeyView }));
export type ApiKeyRevokeResponse = z.infer<typeof ApiKeyRevokeResponse>;

export const NodeIdentityQuery = z.lazy(() =>
  z.object({
    nonce: z
      .string()
      .regex(/^[A-Za-z0-9_-]{22,64}$/, "must be 22 to 64 characters of base64url")
      .describe("Random, new for every question"),
  }),
);

/** A node proves who it is; see `introductions-proof.ts` of the collective. */
export const NodeIdentityResponse = z
  .lazy(() =>
    z.object({
      v: z.literal(1),
      nodeId: z.string(),
      name: z.string(),
      memberId: z.string(),
      trustDomain: z.string(),
      roles: z.array(z.string()),
      capabilities: z.array(z.string()),
      version: z.string(),
      caCertificatePem: z.string(),
      certificatePem: z.string(),
      linkAddresses: z.array(z.string()).describe("`host:port`, best first"),
      fingerprint: z.string().describe("Words that stand for the node's key"),
      signature: z.string().describe("Base64 ECDSA P-256 (IEEE P1363) by the node's key"),
    }),
  )
  .meta({ id: "NodeIdentity" });
export type NodeIdentityResponse = z.infer<typeof NodeIdentityResponse>;

export const NodeRegisterRequest = z.lazy(() =>
  z.object({
    nodeUrl: z.string().max(1024).describe("Base URL of the other node's HTTP port"),
    nodeName: z.string().min(1).max(128).describe("What it is called here"),
    capabilities: z
      .union([z.string().max(2048), z.array(z.string().max(64)).max(64)])
      .default([])
      .describe("`storage,compute`, or a list"),
  }),
);
export type NodeRegisterRequest = z.input<typeof NodeRegisterRequest>;

/** A node of this mesh or of another one that was introduced. */
export const KnownNode = z
  .lazy(() =>
    z.object({
      nodeId: z.string(),
      name: z.string(),
      reportedName: z.string().exactOptional().describe("As an introduced node calls itself"),
      url: z.string().exactOptional(),
      capabilities: z.array(z.string()).describe("Of an introduced node: as they were given here"),
      reportedCapabilities: z.array(z.string()).exactOptional().describe("As the node says itself"),
      memberId: z.string(),
      state: z.enum(["online", "offline", "draining", "failing", "unknown"]),
      reason: z.string().exactOptional().describe("Why it is not online"),
      trust: z.enum(["self", "member", "introduced"]),
      scopes: z.array(z.string()).exactOptional().describe("What an introduced node may use here"),
      fingerprint: z.string(),
      lastSeenMs: TimeMs.nullable(),
      addresses: z.array(z.string()).describe("Of its links"),
      allowIps: Networks.describe("Where it may call from; empty for everywhere"),
    }),
  )
  .meta({ id: "KnownNode" });
export type KnownNode = z.infer<typeof KnownNode>;

export const NodeRegisterResponse = z.lazy(() =>
  z.object({
    node: KnownNode,
    fingerprint: z.string().describe("To be compared with what the other node shows"),
    trust: z.string().describe("What the node may do here, and why"),
  }),
);
export type NodeRegisterResponse = z.infer<typeof NodeRegisterResponse>;

export const KnownNodesResponse = z.lazy(() => z.object({ nodes: z.array(KnownNode) }));
export type KnownNodesResponse = z.infer<typeof KnownNodesResponse>;

export const KnownNodeParams = z.lazy(() =>
  z.object({
    node: z.string().min(1).max(64).describe("Name or node id"),
  }),
);

export const IntroductionRemoveResponse = z.lazy(() =>
  z.object({ nodeId: z.string(), name: z.string() }),
);
export type IntroductionRemoveResponse = z.infer<typeof IntroductionRemoveResponse>;

export const AllowListRequest = z.lazy(() => z.object({ networks: Networks }).strict());
export type AllowListRequest = z.infer<typeof AllowListRequest>;

export const AllowListResponse = z.lazy(() =>
  z.object({
    nodeId: z.string(),
    name: z.string(),
    networks: Networks,
  }),
);
export type AllowListResponse = z.infer<typeof AllowListResponse>;

export const AuditQuery = z.lazy(() =>
  z.object({
    after: z.coerce.number().int().min(0).default(0).describe("Records after this number"),
    limit: z.coerce.number().int().min(1).max(limits.AUDIT_PAGE_RECORDS_MAX).default(100),
    newest: Flag.exactOptional().describe("The newest records instead of those after a number"),
  }),
);
/** What a caller sends. */
export type AuditQuery = { after?: number; limit?: number; newest?: boolean };

export const AuditRecordView = z
  .lazy(() =>
    z.object({
      sequence: z.number().int(),
      atMs: TimeMs,
      by: z.string().describe("SPIFFE id, `key/<id>` or `invite/<id>`"),
      action: z.string(),
      subject: z.string(),
      detail: z
        .record(z.string(), z.union([z.string(), z.number(), z.array(z.string())]))
        .exactOptional(),
      previousHash: z.string().describe("SHA-256 of the record before, hexadecimal"),
    }),
  )
  .meta({ id: "AuditRecord" });
export type AuditRecordView = z.infer<typeof AuditRecordView>;

export const AuditResponse = z.lazy(() =>
  z.object({
    records: z.array(AuditRecordView).describe("Oldest first"),
    more: z.boolean().describe("There are later ones"),
  }),
);
export type AuditResponse = z.infer<typeof AuditResponse>;

export const AuditVerifyResponse = z.lazy(() =>
  z.object({
    ok: z.boolean(),
    records: z.number().int().describe("Records that were looked at"),
    first: z.number().int().describe("Number of the oldest one that is kept"),
    brokenAt: z.number().int().exactOptional().describe("First record that is changed or missing"),
    reason: z.string().exactOptional(),
  }),
);
export type AuditVerifyResponse = z.infer<typeof AuditVerifyResponse>;

const keys = {
  createKey: {
    method: "POST",
    path: "/api/keys",
    tag: "trust",
    summary: "Make an API key",
    successStatus: 201,
    body: ApiKeyCreateRequest,
    response: ApiKeyCreateResponse,
  },
  keys: {
    method: "GET",
    path: "/api/keys",
    tag: "trust",
    summary: "All API keys, without their secrets",
    response: ApiKeysResponse,
  },
  revokeKey: {
    method: "DELETE",
    path: "/api/keys/:key",
    tag: "trust",
    summary: "Revoke an API key",
    params: ApiKeyParams,
    response: ApiKeyRevokeResponse,
  },
  audit: {
    method: "GET",
    path: "/api/mesh/audit",
    tag: "trust",
    summary: "Every change of trust, in its order",
    query: AuditQuery,
    response: AuditResponse,
  },
  verifyAudit: {
    method: "GET",
    path: "/api/mesh/audit/verify",
    tag: "trust",
    summary: "Whether all audit records follow from each other",
    response: AuditVerifyResponse,
  },
} as const;

const introductions = {
  nodeIdentity: {
    method: "GET",
    path: "/api/mesh/identity",
    tag: "mesh",
    summary: "This node proves who it is",
    query: NodeIdentityQuery,
    response: NodeIdentityResponse,
  },
  registerNode: {
    method: "POST",
    path: "/api/mesh/register",
    tag: "mesh",
    summary: "Introduce a node of another mesh by its URL: 201, or 200 for one that is known",
    body: NodeRegisterRequest,
    response: NodeRegisterResponse,
  },
  knownNodes: {
    method: "GET",
    path: "/api/mesh/nodes",
    tag: "mesh",
    summary: "This node, the nodes of this member, and those that were introduced",
    response: KnownNodesResponse,
  },
  removeIntroduction: {
    method: "DELETE",
    path: "/api/mesh/nodes/:node",
    tag: "mesh",
    summary: "Forget an introduced node",
    params: KnownNodeParams,
    response: IntroductionRemoveResponse,
  },
  allowNode: {
    method: "POST",
    path: "/api/mesh/nodes/:node/allow-list",
    tag: "mesh",
    summary: "Say from where a node may call",
    params: KnownNodeParams,
    body: AllowListRequest,
    response: AllowListResponse,
  },
} as const;

/** On the API doors. */
export const KEY_ENDPOINTS = { ...keys, ...introductions } as const;
