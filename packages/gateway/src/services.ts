/**
 * What the doors need from the node. The node's composition root hands it in; every method may go
 * over a link, so that a gateway need not be the coordinator. Errors are `MeshError`s and reach the
 * caller with their code; anything else becomes `MESH_INTERNAL`.
 */
import type { FileClient, Layout, NodeInfo } from "@hearthmesh/collective";
import type {
  Clock,
  InviteId,
  Logger,
  MemberId,
  NodeId,
  Random,
  TrustDomain,
} from "@hearthmesh/core";
import type {
  Grant,
  IdentityRecord,
  InviteRecord,
  NodeRole,
  Principal,
  RevocationEntry,
  RevocationList,
} from "@hearthmesh/identity";
import type { HealthResponse, StatusResponse } from "./contracts/index.js";
import type { MetricValue } from "./plain/metrics-table.js";

export interface InviteOrder {
  readonly kind: "node" | "person";
  readonly grants: readonly Grant[];
  readonly roles: readonly NodeRole[];
  readonly maxUses: number;
  readonly validityMs: number;
  readonly description: string;
  readonly nodeName?: string;
  /** SPIFFE id of who asked. */
  readonly createdBy: string;
}

export interface EnrolOrder {
  readonly inviteId: string;
  readonly secret: string;
  readonly csrPem: string;
  readonly kind: "node" | "person";
  readonly name: string;
}

export interface RecoverOrder {
  readonly nodeId: NodeId;
  readonly csrPem: string;
  readonly signedAtMs: number;
  readonly signature: string;
}

/** What an enrolled or recovered identity gets. */
export interface Enrolment {
  readonly certificatePem: string;
  readonly caCertificatePem: string;
  readonly spiffeId: string;
  readonly grants: readonly Grant[];
  readonly roles: readonly NodeRole[];
}

/** The member's authority: identities, invites, revocation. */
export interface TrustService {
  /**
   * Who holds a certificate (leaf first, DER). Throws `MESH_CERT_*`; knows the present revocations,
   * and is therefore asked at every request.
   */
  principal(chainDer: readonly Uint8Array[]): Principal;
  /** Tells at once which keys were revoked. Returns the end of the subscription. */
  onRevoked(listener: (nodeId: NodeId) => void): () => void;
  grantsOf(principal: Principal): Promise<readonly Grant[]>;
  createInvite(order: InviteOrder): Promise<{ invite: InviteRecord; code: string; link: string }>;
  invites(): Promise<readonly InviteRecord[]>;
  revokeInvite(id: InviteId): Promise<InviteRecord>;
  identities(): Promise<readonly IdentityRecord[]>;
  /** Name, global id or node id. */
  revoke(identity: string, reason: string): Promise<{ entry: RevocationEntry; epoch: number }>;
  revocationList(): Promise<RevocationList>;
  renew(principal: Principal, csrPem: string): Promise<Pick<Enrolment, CertificateFields>>;
  /** Throws `MESH_LIMIT` when this address, or all together, tried too often. */
  admitAttempt(remoteAddress: string): void;
  enrol(order: EnrolOrder): Promise<Enrolment>;
  recover(order: RecoverOrder): Promise<Enrolment>;
}

type CertificateFields = "certificatePem" | "caCertificatePem";

/** The member's coordinator: names, nodes, layout. */
export interface CoordinatorService {
  /** A `file.*` method of `protocol.ts` as this principal. */
  call(
    principal: Principal,
    method: string,
    header: object,
    body?: Uint8Array,
    options?: { signal?: AbortSignal },
  ): Promise<{ header: object; body: Uint8Array }>;
  nodes(): Promise<readonly NodeInfo[]>;
  layout(): Promise<Layout>;
  /** Takes the node out of the layout; revoking it is the authority's part. */
  removeNode(nodeId: NodeId): Promise<Layout>;
}

export type FileService = Pick<
  FileClient,
  "read" | "write" | "stat" | "makeDirectory" | "move" | "remove"
>;

export interface GatewayServices {
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Logger;
  readonly member: { readonly id: MemberId; readonly trustDomain: TrustDomain };
  /** Who the caller at the loopback door is. */
  readonly operator: Principal;
  /** Where newcomers find the coordinator from now on, best first. */
  readonly coordinatorContact: {
    readonly nodeId: NodeId;
    apiAddresses(): readonly string[];
    linkAddresses(): readonly string[];
  };
  readonly trust: TrustService;
  readonly coordinator: CoordinatorService;
  files(principal: Principal): FileService;
  status(): Promise<StatusResponse>;
  health(): Promise<HealthResponse>;
  /** Whether real work can be done now. */
  ready(): Promise<HealthResponse>;
  metrics(): Promise<readonly MetricValue[]>;
}

/** Key and certificates of a TLS door. */
export interface DoorCredentials {
  readonly privateKeyPem: string;
  readonly certificatePem: string;
  readonly caCertificatePem: string;
}
