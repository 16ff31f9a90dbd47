/** The shapes of trust: who somebody is, what an invite says, what a grant allows. */
import type { GlobalId, InviteId, MemberId, NodeId, TrustDomain } from "@hearthmesh/core";

export type PrincipalKind = "coordinator" | "node" | "person";

/** Who the other side is, taken from a verified certificate and from nothing else. */
export interface Principal {
  /**
   * `foreign` for everybody of another member, whatever they are there: a rule about coordinators,
   * nodes or people of this member never holds for them by mistake.
   */
  readonly kind: PrincipalKind | "foreign";
  /** For `foreign`: what it is in its own member. */
  readonly foreignKind?: PrincipalKind;
  /**
   * `spiffe://home.alice/node/alice-node-01` or `spiffe://home.alice/person/carol@office.carol`.
   */
  readonly spiffeId: string;
  readonly trustDomain: TrustDomain;
  /** The last part of the SPIFFE id: a node's name or a person's global id. */
  readonly name: string;
  /** Hash of the public key. */
  readonly nodeId: NodeId;
  /** Lower-case hexadecimal. */
  readonly serial: string;
  readonly notAfterMs: number;
}

export type NodeRole = "coordinator" | "storage" | "gateway" | "ai";

export type Right = "read" | "write" | "delete" | "share";

/** Rights of one identity on a path and all below it. */
export interface Grant {
  /** Absolute path, `/` for everything. */
  readonly path: string;
  readonly rights: readonly Right[];
  /** Deny wins over allow at the same path. */
  readonly effect: "allow" | "deny";
  readonly notAfterMs?: number;
}

/** What an invite allows; kept by the coordinator with the hash of the secret. */
export interface InviteRecord {
  readonly v: 1;
  readonly id: InviteId;
  readonly memberId: MemberId;
  readonly kind: "node" | "person";
  /** For a node: the roles that it may have. */
  readonly roles: readonly NodeRole[];
  /** For a person: what it may do. */
  readonly grants: readonly Grant[];
  /** For a node: the only name that may be taken, when the operator fixed one. */
  readonly nodeName?: string;
  readonly description: string;
  /** Hexadecimal SHA-256 of the secret. */
  readonly secretHash: string;
  readonly maxUses: number;
  readonly notAfterMs: number;
  readonly createdAtMs: number;
  /** SPIFFE id. */
  readonly createdBy: string;
  /** Key of the person who made it; absent when it was an operator. */
  readonly sharedBy?: NodeId;
  readonly revokedAtMs?: number;
  /** One entry for each key that used it. */
  readonly uses: readonly { nodeId: NodeId; name: string; atMs: number }[];
}

/** The parts of the text `hm1-<member>-<pin>-<id>-<secret>-<check>@host:port`. */
export interface InviteCode {
  readonly memberId: MemberId;
  /** Base32 of the first 128 bits of SHA-256 of the CA's public key (SPKI, DER). */
  readonly caPin: string;
  readonly id: InviteId;
  /** Base32 of 160 random bits. */
  readonly secret: string;
  /** Enrolment ports to try, in order. */
  readonly endpoints: readonly { host: string; port: number }[];
}

/** A key pair as PEM (PKCS#8 and SPKI) with its node id. P-256. */
export interface KeyPairPem {
  readonly privateKeyPem: string;
  readonly publicKeyPem: string;
  readonly nodeId: NodeId;
}

/** Certificates that speak for one trust domain. Bundles of different domains are never pooled. */
export interface TrustBundle {
  readonly trustDomain: TrustDomain;
  readonly sequence: number;
  /** CA certificates as PEM. */
  readonly caCertificatesPem: readonly string[];
}

/** Where a coordinator of another member is. Addresses are `host:port`, best first. */
export interface PeerContact {
  readonly nodeId: NodeId;
  readonly name: string;
  readonly apiAddresses: readonly string[];
  readonly linkAddresses: readonly string[];
  readonly enrolmentAddresses: readonly string[];
}

/** What a member says of itself to its peers; see `trust-bundle.ts`. */
export interface SignedTrustBundle {
  readonly v: 1;
  readonly trustDomain: TrustDomain;
  readonly memberId: MemberId;
  /** Grows with every bundle of the domain; an older one is never taken. */
  readonly sequence: number;
  readonly issuedAtMs: number;
  /** Nobody of the domain is believed after it, unless a newer bundle came. */
  readonly notAfterMs: number;
  /** The CAs that speak for the domain, the one that signs first. */
  readonly caCertificatesPem: readonly string[];
  readonly coordinators: readonly PeerContact[];
  readonly revocations: RevocationList;
  /** Base64 ECDSA P-256 (IEEE P1363) over the canonical JSON of the other fields. */
  readonly signature: string;
}

/** Signed by the CA key; the newest epoch wins. */
export interface RevocationList {
  readonly v: 1;
  readonly trustDomain: TrustDomain;
  readonly epoch: number;
  readonly issuedAtMs: number;
  readonly entries: readonly RevocationEntry[];
  /** Base64 ECDSA P-256 (IEEE P1363) over the canonical JSON of the other fields. */
  readonly signature: string;
}

export interface RevocationEntry {
  /** Every certificate of this key is refused. */
  readonly nodeId: NodeId;
  readonly spiffeId: string;
  readonly reason: string;
  readonly atMs: number;
}

/** An identity that was enrolled; kept by the coordinator. */
export interface IdentityRecord {
  readonly v: 1;
  readonly kind: "node" | "person" | "coordinator";
  readonly spiffeId: string;
  readonly name: string | GlobalId;
  readonly nodeId: NodeId;
  readonly roles: readonly NodeRole[];
  readonly grants: readonly Grant[];
  readonly inviteId?: InviteId;
  /** Key of the person who made the invite; absent when it was an operator. Falls with that key. */
  readonly invitedBy?: NodeId;
  /** What a person passed on before an operator invited the same key; that person must have it. */
  readonly passedOn?: { readonly by: NodeId; readonly grants: readonly Grant[] };
  readonly enrolledAtMs: number;
  /** Serial of the newest certificate. */
  readonly serial: string;
  readonly certificateNotAfterMs: number;
  /** How often it was let back in with an expired certificate. */
  readonly recoveries: number;
  readonly revokedAtMs?: number;
}
