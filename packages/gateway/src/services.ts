/**
 * What the doors need from the node. The node's composition root hands it in; every method may go
 * over a link, so that a gateway need not be the coordinator. Errors are `MeshError`s and reach the
 * caller with their code; anything else becomes `MESH_INTERNAL`.
 */
import type {
  Authority,
  Coordinator,
  EnrolmentLimiter,
  FileClient,
  KeyValueService,
} from "@hearthmesh/collective";
import type { Clock, Logger, MemberId, NodeId, Random, TrustDomain } from "@hearthmesh/core";
import type { HealerService } from "@hearthmesh/healing";
import type { Endpoint, Principal } from "@hearthmesh/identity";
import type { EndpointService, InferenceService, RingInspection } from "@hearthmesh/pool";
import type { BackupService } from "./backup-service.js";
import type { CoordinatorView, HealthResponse, StatusResponse } from "./contracts/index.js";
import type { EventFeed } from "./events/event-feed.js";
import type { IntroductionServices } from "./introduction-services.js";
import type { MeshService } from "./mesh-service.js";
import type { ModelService } from "./model-service.js";
import type { OpenAiService } from "./openai/openai-service.js";
import type { PeeringService } from "./peering-service.js";
import type { MetricValue } from "./plain/metrics-table.js";
import type { PoolService } from "./pool-service.js";
import type { StoreService } from "./store-service.js";

/** The member's authority: who is who, invites, revocation. It decides who may invite whom. */
export type AuthorityService = Pick<
  Authority,
  | "principal"
  | "identity"
  | "isRevoked"
  | "caCertificatePem"
  | "apiKeys"
  | "introductions"
  | "allowLists"
  | "peers"
  | "quotas"
  | "auditTrail"
  | "auditLength"
  | "verifyAudit"
  | "onRevoked"
  | "grantsOf"
  | "grants"
  | "explain"
  | "authorize"
  | "rightEndsAtMs"
  | "onAccessChanged"
  | "healingAudit"
  | "createInvite"
  | "listInvites"
  | "revokeInvite"
  | "listIdentities"
  | "revoke"
  | "revocationList"
  | "renew"
  | "enrol"
  | "recover"
>;

/** The member's coordinator: names, nodes, layout. */
export type CoordinatorService = Pick<Coordinator, "call" | "nodes" | "layout" | "removeNode">;

export type FileService = Pick<
  FileClient,
  "read" | "write" | "stat" | "makeDirectory" | "move" | "remove"
>;

/** Keys, values, leases and locks of users. */
export type KeyValues = Omit<KeyValueService, "close" | "used">;

/** Makes the trace of a request known to what is done for it: to the log, and to links. */
export interface RequestTraces {
  /** `traceparent` is a valid one of https://www.w3.org/TR/trace-context/. */
  begin(traceparent: string): TraceScope;
}

export interface TraceScope {
  run<Result>(work: () => Result): Result;
  /** The request is over; what it has set going does not carry its trace any further. */
  end(): void;
}

/** What every node has for its doors, whether it is a coordinator or not. */
export interface NodeServices {
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Logger;
  /** Undefined: a trace goes no further than the door and the proxy to services. */
  readonly traces?: RequestTraces | undefined;
  /** Who the caller at the loopback door is. */
  readonly operator: Principal;
  /** Undefined while healing is switched off on this node. */
  readonly healer?: HealerService | undefined;
  /** What happens here, for `/events`; the same one for all doors of the node. */
  readonly events?: EventFeed | undefined;
  /** Undefined while the mesh is off. */
  readonly pools?: PoolService | undefined;
  /** Undefined while the mesh is off on a node without a coordinator. */
  readonly models?: ModelService | undefined;
  /** Undefined on a node without the role `ai`. */
  readonly inference?: InferenceService | undefined;
  /** The same. */
  readonly rings?: RingInspection | undefined;
  /** Whole-request members. Undefined on a node without the role `ai`. */
  readonly endpoints?: EndpointService | undefined;
  /** Both behind OpenAI's API; the same one for all doors of the node. */
  readonly openAi?: OpenAiService | undefined;
}

export interface GatewayServices extends NodeServices {
  readonly member: { readonly id: MemberId; readonly trustDomain: TrustDomain };
  /** Where newcomers find the coordinator from now on, best first. */
  readonly coordinatorContact: {
    readonly nodeId: NodeId;
    apiAddresses(): readonly string[];
    linkAddresses(): readonly string[];
  };
  /** All coordinators of the member. Absent: this one is the only one. */
  coordinators?(): Promise<readonly CoordinatorView[]>;
  /** Enrolment addresses that an invite names, best first. */
  enrolmentEndpoints(): readonly Endpoint[];
  readonly authority: AuthorityService;
  readonly enrolmentLimiter: Pick<EnrolmentLimiter, "admit">;
  readonly coordinator: CoordinatorService;
  /** Files as this principal; the storage nodes see the key of the gateway's own node. */
  files(principal: Principal): FileService;
  status(): Promise<StatusResponse>;
  health(): Promise<HealthResponse>;
  /** Whether real work can be done now. */
  ready(): Promise<HealthResponse>;
  metrics(): Promise<readonly MetricValue[]>;
  /** Undefined on a node that does not speak to other members itself. */
  readonly peering?: PeeringService | undefined;
  /** Undefined on a node that keeps no store. */
  readonly backup?: BackupService | undefined;
  /** Undefined on a node that keeps no store. */
  readonly keyValue?: KeyValues | undefined;
  /** Undefined on a node that keeps no store. */
  readonly store?: StoreService | undefined;
  /** Undefined when the mesh is switched off on this node. */
  readonly mesh?: MeshService | undefined;
  /** Undefined when the mesh is switched off on this node. */
  readonly introductions?: IntroductionServices | undefined;
}

/** Key and certificates of a TLS door. */
export interface DoorCredentials {
  readonly privateKeyPem: string;
  readonly certificatePem: string;
  readonly caCertificatePem: string;
}
