/** Other members that this one trusts for their own people and machines. */
import { limits } from "@hearthmesh/core";
import { z } from "zod";
import { PeerParams, TimeMs, Timestamp } from "./common.js";
import type { Endpoint } from "./endpoint.js";

const Code = z.string().min(1).max(limits.INVITE_TEXT_BYTES_MAX);
const Alias = z.string().min(1).max(64).describe("What the peer is called here, as in `/@bob/...`");

const Contact = z
  .lazy(() =>
    z.object({
      nodeId: z.string(),
      name: z.string(),
      apiAddresses: z.array(z.string()),
      linkAddresses: z.array(z.string()),
      enrolmentAddresses: z.array(z.string()),
    }),
  )
  .meta({ id: "PeerCoordinator" });

export const PeerView = z
  .lazy(() =>
    z.object({
      alias: z.string(),
      memberId: z.string(),
      trustDomain: z.string(),
      words: z.string().describe("The operator of the peer sees the same words"),
      state: z
        .enum(["ok", "unreachable", "refused", "expired", "unknown"])
        .describe("Of the last exchange of bundles; unknown before the first"),
      reason: z.string().exactOptional().describe("Why it is not ok"),
      lastExchange: Timestamp.exactOptional().describe("When bundles were exchanged last"),
      coordinators: z.array(Contact),
      revoked: z.number().int().describe("Keys that the peer has revoked"),
      sequence: z.number().int().describe("Of the newest bundle"),
      bundleNotAfterMs: TimeMs.describe("Nobody of the peer is believed after it"),
      acceptedAtMs: TimeMs,
      acceptedBy: z.string(),
    }),
  )
  .meta({ id: "Peer" });
export type PeerView = z.infer<typeof PeerView>;

export const PeerInviteView = z
  .lazy(() =>
    z.object({
      id: z.string(),
      state: z.enum(["open", "used", "expired", "revoked"]),
      alias: z.string().exactOptional(),
      createdAtMs: TimeMs,
      createdBy: z.string(),
      notAfterMs: TimeMs,
      usedBy: z.string().exactOptional().describe("Trust domain"),
    }),
  )
  .meta({ id: "PeerInvite" });
export type PeerInviteView = z.infer<typeof PeerInviteView>;

export const PeersResponse = z.lazy(() =>
  z.object({
    peers: z.array(PeerView).describe("By alias"),
    invites: z.array(PeerInviteView).describe("Codes that were made here, newest first"),
  }),
);
export type PeersResponse = z.infer<typeof PeersResponse>;

export const PeerInviteRequest = z.lazy(() =>
  z
    .object({
      as: Alias.exactOptional(),
      validity: z.string().max(32).default("24h").describe("`30m`, `24h`, `7d`; at most 30 days"),
    })
    .strict(),
);
export type PeerInviteRequest = z.input<typeof PeerInviteRequest>;

export const PeerInviteResponse = z.lazy(() =>
  z.object({
    invite: PeerInviteView,
    code: z.string().describe("Shown once; only a hash of its secret is kept"),
    link: z.string().describe("The same as a link"),
  }),
);
export type PeerInviteResponse = z.infer<typeof PeerInviteResponse>;

export const PeerAcceptRequest = z.lazy(() =>
  z.object({ code: Code, as: Alias.exactOptional() }).strict(),
);
export type PeerAcceptRequest = z.input<typeof PeerAcceptRequest>;

export const PeerResponse = z.lazy(() => z.object({ peer: PeerView }));
export type PeerResponse = z.infer<typeof PeerResponse>;

export const PeerRemoveResponse = z.lazy(() =>
  z.object({
    alias: z.string(),
    trustDomain: z.string(),
    told: z.boolean().describe("The peer knows it already; else it is told when it is reachable"),
  }),
);
export type PeerRemoveResponse = z.infer<typeof PeerRemoveResponse>;

export const PeerContactResponse = z
  .lazy(() =>
    z.object({
      alias: z.string(),
      memberId: z.string(),
      trustDomain: z.string(),
      caCertificatesPem: z.array(z.string()),
      coordinators: z.array(Contact),
    }),
  )
  .meta({ id: "PeerContact" });
export type PeerContactResponse = z.infer<typeof PeerContactResponse>;

/** Signed by the CA of its member; whoever takes it checks it as a whole. */
const Bundle = z.record(z.string(), z.unknown()).describe("A signed trust bundle");

export const BundleResponse = z.lazy(() => z.object({ bundle: Bundle }));
export type BundleResponse = z.infer<typeof BundleResponse>;

export const BundleExchangeRequest = z.lazy(() => z.object({ bundle: Bundle }).strict());
export type BundleExchangeRequest = z.input<typeof BundleExchangeRequest>;

export const PeerEnrolRequest = z.lazy(() =>
  z
    .object({
      inviteId: z.string().min(1).max(64),
      secret: z.string().min(1).max(128),
      bundle: Bundle.describe("Of the member that takes the code"),
      proof: z.string().max(128).describe("Base64: its CA key signed this code and this member"),
    })
    .strict(),
);
export type PeerEnrolRequest = z.input<typeof PeerEnrolRequest>;

const Invite = z.lazy(() => z.object({ invite: z.string().min(1).max(64).describe("Its id") }));
export const FarewellResponse = z.lazy(() => z.object({ heard: z.boolean() }));
export type FarewellResponse = z.infer<typeof FarewellResponse>;

export const PEER_ENDPOINTS = {
  peers: {
    method: "GET",
    path: "/api/peers",
    tag: "trust",
    summary: "The peers of this member, and the codes for new ones",
    response: PeersResponse,
  },
  invitePeer: {
    method: "POST",
    path: "/api/peers/invites",
    tag: "trust",
    summary: "A code by which one other member becomes a peer",
    body: PeerInviteRequest,
    response: PeerInviteResponse,
    successStatus: 201,
  },
  revokePeerInvite: {
    method: "DELETE",
    path: "/api/peers/invites/:invite",
    tag: "trust",
    summary: "A code for a peer is good no longer",
    params: Invite,
    response: z.object({ invite: PeerInviteView }),
  },
  acceptPeer: {
    method: "POST",
    path: "/api/peers",
    tag: "trust",
    summary: "Take a code that another member made",
    body: PeerAcceptRequest,
    response: PeerResponse,
    successStatus: 201,
  },
  removePeer: {
    method: "DELETE",
    path: "/api/peers/:peer",
    tag: "trust",
    summary: "Nobody of this member is believed any longer, at once",
    params: PeerParams,
    response: PeerRemoveResponse,
  },
  refreshPeer: {
    method: "POST",
    path: "/api/peers/:peer/refresh",
    tag: "trust",
    summary: "Exchange bundles with the peer now",
    params: PeerParams,
    response: PeerResponse,
  },
  peerContact: {
    method: "GET",
    path: "/api/peers/:peer/contact",
    tag: "trust",
    summary: "Where the peer is and by which CAs it is known",
    params: PeerParams,
    response: PeerContactResponse,
  },
  ownBundle: {
    method: "GET",
    path: "/api/peers/bundle",
    tag: "trust",
    summary: "The newest trust bundle of this member, for its peers",
    response: BundleResponse,
  },
  exchangeBundles: {
    method: "PUT",
    path: "/api/peers/bundle",
    tag: "trust",
    summary: "A peer hands over its newest bundle and gets ours",
    body: BundleExchangeRequest,
    response: BundleResponse,
  },
  farewell: {
    method: "POST",
    path: "/api/peers/farewell",
    tag: "trust",
    summary: "A peer says that it is one no longer",
    response: FarewellResponse,
  },
} as const satisfies Record<string, Endpoint>;

/** On the enrolment door. */
export const PEER_ENROLMENT_ENDPOINTS = {
  enrolPeer: {
    method: "POST",
    path: "/enrol/peer",
    tag: "enrolment",
    summary: "Redeem a code for a peer",
    body: PeerEnrolRequest,
    response: BundleResponse,
  },
} as const satisfies Record<string, Endpoint>;
