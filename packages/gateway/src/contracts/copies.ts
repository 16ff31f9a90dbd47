/** Copies at friends' homes: policies for paths, and how much members keep for each other. */
import { limits } from "@hearthmesh/core";
import { z } from "zod";
import { PeerParams, TimeMs } from "./common.js";
import type { Endpoint } from "./endpoint.js";

const Path = z.string().min(1).max(limits.PATH_BYTES_MAX);
const Strategy = z
  .enum(["media", "backup", "hybrid"])
  .describe("media: near the readers; backup: one in each home first; hybrid: two at home");
const Count = z.number().int().min(1).max(limits.REPLICAS_MAX);

export const CopyPolicyView = z
  .lazy(() =>
    z.object({
      path: z.string().describe("It holds for all below, unless a policy is nearer"),
      strategy: Strategy,
      replicas: z.number().int().describe("Copies in all"),
      members: z.number().int().describe("Homes that have at least one"),
      setAtMs: TimeMs,
      setBy: z.string().describe("SPIFFE id"),
    }),
  )
  .meta({ id: "CopyPolicy" });
export type CopyPolicyView = z.infer<typeof CopyPolicyView>;

export const FriendView = z
  .lazy(() =>
    z.object({
      trustDomain: z.string(),
      alias: z.string(),
      offer: z
        .object({
          bytes: z.number().int(),
          usedBytes: z.number().int(),
          withdrawn: z.boolean(),
        })
        .nullable()
        .describe("What it offers this member; null while it is unknown"),
      heardAtMs: TimeMs.nullable().describe("When it said so"),
      failure: z.string().nullable().describe("Why it could not be used last time"),
    }),
  )
  .meta({ id: "Friend" });
export type FriendView = z.infer<typeof FriendView>;

export const CopiesView = z
  .lazy(() =>
    z.object({
      waiting: z.number().int().nullable().describe("Files that wait; null while it is unknown"),
      reasons: z.array(z.object({ reason: z.string(), files: z.number().int() })),
      kept: z.number().int().nullable().describe("Sealed copies; null before they were counted"),
      lostChunks: z.number().int().describe("Chunks that only friends have, to be fetched"),
    }),
  )
  .meta({ id: "Copies" });
export type CopiesView = z.infer<typeof CopiesView>;

export const PoliciesResponse = z.lazy(() =>
  z.object({
    policies: z.array(CopyPolicyView).describe("By path"),
    copies: CopiesView.nullable().describe("null at a coordinator that does not know now"),
  }),
);
export type PoliciesResponse = z.infer<typeof PoliciesResponse>;

export const PolicySetRequest = z.lazy(() =>
  z
    .object({
      path: Path,
      strategy: Strategy,
      replicas: Count.exactOptional().describe("Default 3"),
      members: Count.exactOptional().describe("Default 2, for media 1"),
    })
    .strict(),
);
export type PolicySetRequest = z.input<typeof PolicySetRequest>;

export const PolicyResponse = z.lazy(() => z.object({ policy: CopyPolicyView }));
export type PolicyResponse = z.infer<typeof PolicyResponse>;

export const PolicyQuery = z.lazy(() => z.object({ path: Path }).strict());
export type PolicyQuery = z.input<typeof PolicyQuery>;

export const PolicyExplanation = z.lazy(() =>
  z.object({
    path: z.string(),
    policy: CopyPolicyView.nullable().describe("The one that counts for the path"),
    atHome: z.number().int().describe("Copies of every chunk at home: the layout's count"),
    atFriends: z.object({
      needed: z.number().int().describe("Fewer are a shortfall"),
      wanted: z.number().int().describe("As many as friends can take, up to this"),
    }),
    friends: z.array(FriendView),
  }),
);
export type PolicyExplanation = z.infer<typeof PolicyExplanation>;

export const QuotaView = z
  .lazy(() =>
    z.object({
      trustDomain: z.string(),
      alias: z.string().nullable().describe("null when it is no peer now"),
      bytes: z.number().int(),
      usedBytes: z.number().int().nullable().describe("Of all its files; null before the count"),
      files: z.number().int().nullable(),
      offeredAtMs: TimeMs,
      withdrawnAtMs: TimeMs.nullable(),
    }),
  )
  .meta({ id: "Quota" });
export type QuotaView = z.infer<typeof QuotaView>;

export const QuotasResponse = z.lazy(() =>
  z.object({
    given: z.array(QuotaView).describe("What peers may keep here"),
    received: z.array(FriendView).describe("What this member may keep at peers"),
  }),
);
export type QuotasResponse = z.infer<typeof QuotasResponse>;

export const QuotaOfferRequest = z.lazy(() =>
  z.object({ bytes: z.number().int().min(1).max(limits.QUOTA_BYTES_MAX) }).strict(),
);
export type QuotaOfferRequest = z.input<typeof QuotaOfferRequest>;

export const QuotaResponse = z.lazy(() => z.object({ quota: QuotaView }));
export type QuotaResponse = z.infer<typeof QuotaResponse>;

export const COPIES_ENDPOINTS = {
  policies: {
    method: "GET",
    path: "/api/policies",
    tag: "files",
    summary: "Where copies of files are wanted, and which files wait for theirs",
    response: PoliciesResponse,
  },
  setPolicy: {
    method: "PUT",
    path: "/api/policies",
    tag: "files",
    summary: "A policy on a path, instead of the one that is there",
    body: PolicySetRequest,
    response: PolicyResponse,
  },
  removePolicy: {
    method: "DELETE",
    path: "/api/policies",
    tag: "files",
    summary: "The policy on exactly this path goes, and the copies that it asked for",
    query: PolicyQuery,
    response: PolicyResponse,
  },
  explainPolicy: {
    method: "GET",
    path: "/api/policies/explain",
    tag: "files",
    summary: "Which policy counts for a path, and who could keep copies",
    query: PolicyQuery,
    response: PolicyExplanation,
  },
  quotas: {
    method: "GET",
    path: "/api/quotas",
    tag: "trust",
    summary: "How much peers may keep here, and this member at them",
    response: QuotasResponse,
  },
  offerQuota: {
    method: "PUT",
    path: "/api/quotas/:peer",
    tag: "trust",
    summary: "A peer may keep so many bytes here",
    params: PeerParams,
    body: QuotaOfferRequest,
    response: QuotaResponse,
  },
  withdrawQuota: {
    method: "DELETE",
    path: "/api/quotas/:peer",
    tag: "trust",
    summary: "A peer may bring no more bytes; what is there stays",
    params: PeerParams,
    response: QuotaResponse,
  },
} as const satisfies Record<string, Endpoint>;
