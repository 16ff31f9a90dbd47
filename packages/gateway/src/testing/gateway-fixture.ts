/**
 * A member for tests of the doors: a real CA and authority over the store that is handed in, files
 * in memory, real keys and certificates.
 */
import { Authority, type AuthorityOptions, EnrolmentLimiter } from "@hearthmesh/collective";
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
  type MemberCa,
  type Principal,
  parseGrant,
} from "@hearthmesh/identity";
import type { StatusResponse } from "../contracts/index.js";
import { HttpMetrics } from "../metrics/http-metrics.js";
import type { DoorCredentials, GatewayServices } from "../services.js";
import { MemoryFiles } from "./memory-files.js";

export interface GatewayFixture {
  readonly ca: MemberCa;
  readonly authority: Authority;
  readonly files: MemoryFiles;
  readonly services: GatewayServices;
  readonly metrics: HttpMetrics;
  /** The coordinator's, for the doors. */
  readonly credentials: DoorCredentials;
  /** Enrols a person with these grants. */
  person(name: string, grants: readonly string[]): Promise<DoorCredentials & { nodeId: string }>;
  /** A new certificate for the coordinator's key. */
  renewCoordinator(): Promise<DoorCredentials>;
}

export interface FixtureOptions {
  readonly store: AuthorityOptions["store"];
  readonly clock: Clock;
  readonly random: Random;
}

const MEMBER = { memberId: "alice", trustDomain: "home.alice" };
const LOCAL = { dnsNames: ["localhost"], ipAddresses: ["127.0.0.1"] };

export async function gatewayFixture(options: FixtureOptions): Promise<GatewayFixture> {
  const { clock, random } = options;
  const ca = await createMemberCa({ ...MEMBER, clock, random });
  const authority = await Authority.open({ ...options, ...MEMBER, ca, log: silentLogger });
  const keys = generateKeyPair();
  const csrPem = await createCertificateRequest(keys);
  const enrolled = await authority.enrolCoordinator({ csrPem, name: "home", ...LOCAL });
  const operator: Principal = {
    kind: "coordinator",
    spiffeId: enrolled.spiffeId,
    trustDomain: MEMBER.trustDomain as TrustDomain,
    name: enrolled.name,
    nodeId: enrolled.nodeId,
    serial: enrolled.serial,
    notAfterMs: enrolled.notAfterMs,
  };
  const files = new MemoryFiles();
  const services = makeServices({ clock, random, authority, operator, files });
  const credentialsOf = (privateKeyPem: string, certificatePem: string) => ({
    privateKeyPem,
    certificatePem,
    caCertificatePem: ca.certificatePem,
  });
  return {
    ca,
    authority,
    files,
    services,
    metrics: new HttpMetrics(services.metrics),
    credentials: credentialsOf(keys.privateKeyPem, enrolled.certificatePem),
    async person(name, grants) {
      const invite = await authority.createInvite(operator, {
        kind: "person",
        grants: grants.map(parseGrant),
        validityMs: 60_000,
        endpoints: [],
      });
      const own = generateKeyPair();
      const result = await authority.enrol({
        inviteId: invite.code.id,
        secret: invite.code.secret,
        csrPem: await createCertificateRequest(own),
        kind: "person",
        name,
      });
      const credentials = credentialsOf(own.privateKeyPem, result.certificatePem);
      return { ...credentials, nodeId: result.nodeId };
    },
    async renewCoordinator() {
      const { certificatePem } = await authority.renew(operator, csrPem, LOCAL);
      return credentialsOf(keys.privateKeyPem, certificatePem);
    },
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
      async call(_principal, _method, header) {
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
    local_nodes: [],
    remote_nodes: [],
    totals: { nodes: 0, online: 0, capacityBytes: 0, usedBytes: 0 },
    workers: [],
    certificate: { notAfter: new Date(operator.notAfterMs).toISOString() },
  };
}
