/**
 * A member for tests of the doors: a real CA and authority over the store that is handed in, files
 * in memory, real keys and certificates.
 */
import {
  Authority,
  type AuthorityOptions,
  EnrolmentLimiter,
  type IntroductionProber,
  IntroductionWatch,
  nodeFingerprint,
} from "@hearthmesh/collective";
import {
  type Clock,
  MeshError,
  type Random,
  silentLogger,
  type TrustDomain,
} from "@hearthmesh/core";
import {
  createCertificateRequest,
  createMemberCa,
  generateKeyPair,
  type KeyPairPem,
  type MemberCa,
  type Principal,
  parseGrant,
  signerOf,
} from "@hearthmesh/identity";
import type { StatusResponse } from "../contracts/index.js";
import { IDENTITY_LIMITS, type IntroductionServices } from "../introduction-services.js";
import { HttpMetrics } from "../metrics/http-metrics.js";
import type { DoorCredentials, GatewayServices } from "../services.js";
import { MemoryFiles } from "./memory-files.js";

export interface GatewayFixture {
  readonly ca: MemberCa;
  readonly authority: Authority;
  readonly files: MemoryFiles;
  readonly services: GatewayServices;
  readonly metrics: HttpMetrics;
  /** Of introduced nodes; not started. There when a prober was handed in. */
  readonly watch: IntroductionWatch | undefined;
  /** The coordinator's, for the doors. */
  readonly credentials: DoorCredentials;
  /** Enrols a person with these grants. */
  person(name: string, grants: readonly string[]): Promise<DoorCredentials & { nodeId: string }>;
  /** A new certificate for the coordinator's key. */
  renewCoordinator(): Promise<DoorCredentials>;
  /** Enrols a machine. */
  node(name: string): Promise<DoorCredentials & { nodeId: string }>;
}

export interface FixtureOptions {
  readonly store: AuthorityOptions["store"];
  readonly clock: Clock;
  readonly random: Random;
  /** Default `alice`. */
  readonly memberId?: string;
  /** With it the member takes part in a mesh. */
  readonly prober?: IntroductionProber;
}

const LOCAL = { dnsNames: ["localhost"], ipAddresses: ["127.0.0.1"] };

export async function gatewayFixture(options: FixtureOptions): Promise<GatewayFixture> {
  const { clock, random, store, prober, memberId = "alice" } = options;
  const member = { memberId, trustDomain: `home.${memberId}` };
  const ca = await createMemberCa({ ...member, clock, random });
  const log = silentLogger;
  const authority = await Authority.open({ store, clock, random, ...member, ca, log });
  const keys = generateKeyPair();
  const csrPem = await createCertificateRequest(keys);
  const enrolled = await authority.enrolCoordinator({ csrPem, name: "home", ...LOCAL });
  const operator: Principal = {
    kind: "coordinator",
    spiffeId: enrolled.spiffeId,
    trustDomain: member.trustDomain as TrustDomain,
    name: enrolled.name,
    nodeId: enrolled.nodeId,
    serial: enrolled.serial,
    notAfterMs: enrolled.notAfterMs,
  };
  const files = new MemoryFiles();
  const { introductions } = authority;
  const watch = prober && new IntroductionWatch({ introductions, prober, clock, log });
  const own = { operator, keys, ca, certificatePem: enrolled.certificatePem };
  const services: GatewayServices = {
    ...makeServices({ clock, random, authority, operator, files }),
    introductions: prober && watch && introductionServices(authority, own, { prober, watch }),
  };
  const credentialsOf = (privateKeyPem: string, certificatePem: string) => ({
    privateKeyPem,
    certificatePem,
    caCertificatePem: ca.certificatePem,
  });
  async function join(kind: "person" | "node", name: string, grants: readonly string[]) {
    const invite = await authority.createInvite(operator, {
      kind,
      grants: grants.map(parseGrant),
      validityMs: 60_000,
      endpoints: [],
    });
    const own = generateKeyPair();
    const result = await authority.enrol({
      inviteId: invite.code.id,
      secret: invite.code.secret,
      csrPem: await createCertificateRequest(own),
      kind,
      name,
    });
    const credentials = credentialsOf(own.privateKeyPem, result.certificatePem);
    return { ...credentials, nodeId: result.nodeId };
  }
  return {
    ca,
    authority,
    files,
    services,
    metrics: new HttpMetrics(services.metrics),
    credentials: credentialsOf(keys.privateKeyPem, enrolled.certificatePem),
    watch,
    person: (name, grants) => join("person", name, grants),
    node: (name) => join("node", name, []),
    async renewCoordinator() {
      const { certificatePem } = await authority.renew(operator, csrPem, LOCAL);
      return credentialsOf(keys.privateKeyPem, certificatePem);
    },
  };
}

interface Own {
  readonly operator: Principal;
  readonly keys: KeyPairPem;
  readonly ca: MemberCa;
  readonly certificatePem: string;
}

function introductionServices(
  authority: Authority,
  { operator, keys, ca, certificatePem }: Own,
  asking: { prober: IntroductionProber; watch: IntroductionWatch },
): IntroductionServices {
  return {
    ...asking,
    self: () => ({
      v: 1,
      nodeId: operator.nodeId,
      name: operator.name,
      memberId: authority.memberId,
      trustDomain: operator.trustDomain,
      roles: ["coordinator", "storage"],
      capabilities: ["storage", "gateway"],
      version: "0.1.0",
      caCertificatePem: ca.certificatePem,
      certificatePem,
      linkAddresses: ["127.0.0.1:9000"],
      fingerprint: nodeFingerprint(operator.nodeId),
    }),
    sign: signerOf(keys.privateKeyPem),
    limiter: new EnrolmentLimiter(IDENTITY_LIMITS),
    peers: () => [],
  };
}

interface Parts {
  readonly clock: Clock;
  readonly random: Random;
  readonly authority: Authority;
  readonly operator: Principal;
  readonly files: MemoryFiles;
}

function makeServices({ clock, random, authority, operator, files }: Parts): GatewayServices {
  return {
    clock,
    random,
    log: silentLogger,
    member: { id: authority.memberId, trustDomain: operator.trustDomain },
    operator,
    coordinatorContact: {
      nodeId: operator.nodeId,
      apiAddresses: () => ["localhost:8001"],
      linkAddresses: () => ["localhost:9000"],
    },
    enrolmentEndpoints: () => [{ host: "localhost", port: 9001 }],
    authority,
    enrolmentLimiter: new EnrolmentLimiter({ perAddressPerMinute: 5 }),
    coordinator: {
      async call(_principal, method, header) {
        if (!method.startsWith("file.")) throw new MeshError("MESH_NOT_FOUND");
        const { path, after, limit } = header as { path: string; after?: string; limit?: number };
        return { header: files.list(path, after, limit), body: new Uint8Array() };
      },
      nodes: () => [],
      layout: () => ({ v: 1, version: 1, replicas: 3, nodes: [] }),
      removeNode: async () => {
        throw new MeshError("MESH_NOT_FOUND");
      },
    },
    files: (principal) => files.forPrincipal(principal),
    status: async () => emptyStatus(operator, clock),
    health: async () => ({ status: "ok", checks: [{ name: "store", status: "ok" }] }),
    ready: async () => ({
      status: "unknown",
      checks: [{ name: "storage", status: "unknown", reason: "no node has reported yet" }],
    }),
    metrics: async () => [
      { name: "collective_nodes_total", labels: { member: "alice" }, value: 3 },
      {
        name: "collective_file_operations_total",
        labels: { member: "alice", operation: "write" },
        value: 7,
      },
    ],
  };
}

function emptyStatus(operator: Principal, clock: Clock): StatusResponse {
  return {
    time: new Date(clock.nowMs()).toISOString(),
    member: { id: "alice", trustDomain: operator.trustDomain, caPin: "pin" },
    node: { id: operator.nodeId, name: operator.name, roles: [], version: "0.1.0", uptimeMs: 1 },
    health: { status: "degraded", reasons: ["no storage node is online"] },
    replication: { replicas: 3, acksNeeded: 2, zonesAvailable: 0, repairQueue: 0 },
    copies: null,
    local_nodes: [],
    remote_nodes: [],
    totals: { nodes: 0, online: 0, capacityBytes: 0, usedBytes: 0 },
    workers: [],
    certificate: { notAfter: new Date(operator.notAfterMs).toISOString() },
  };
}
