/**
 * Redeems an invite: proves to be talking to the right member before the secret is sent, and checks
 * what comes back before anything is kept.
 *
 * Steps for each address of the invite, until one succeeds: read the server's certificates without
 * sending anything; check them against the pin; connect anew, verified by the CA that was found,
 * and send invite and certificate request. An address that cannot be reached, or that belongs to
 * somebody else now, is passed over; a refusal by the right member is final.
 */
import {
  type Clock,
  isMeshError,
  type MemberId,
  MeshError,
  type NodeId,
  type TrustDomain,
} from "@hearthmesh/core";
import type { EnrolRequest, EnrolResponse } from "@hearthmesh/gateway/contracts";
import {
  checkPinnedChain,
  createCertificateRequest,
  decodePem,
  type Endpoint,
  formatEndpoint,
  type Grant,
  type InviteCode,
  type KeyPairPem,
  type NodeRole,
  type PinnedServer,
  parseInvite,
  verifyCertificate,
} from "@hearthmesh/identity";
import { readJson } from "./answers.js";
import { probeCertificates } from "./certificate-probe.js";
import { HttpConnection, type HttpRequest } from "./http-connection.js";
import { bundleOf, coordinatorCheck } from "./server-check.js";

export interface EnrolOptions {
  /** The code or the link, as it was given. */
  inviteText: string;
  kind: "node" | "person";
  /** Node name, or `name@domain` of a person. */
  name: string;
  keyPair: KeyPairPem;
  clock: Clock;
  /** Tried before the addresses that the invite names. */
  endpoints?: readonly Endpoint[];
  signal?: AbortSignal;
  /** For one address. Default 5,000. */
  connectTimeoutMs?: number;
}

/** What a new member of a collective keeps. */
export interface Enrolment {
  readonly memberId: MemberId;
  readonly trustDomain: TrustDomain;
  readonly spiffeId: string;
  readonly certificatePem: string;
  readonly caCertificatePem: string;
  readonly certificateNotAfterMs: number;
  readonly grants: readonly Grant[];
  readonly roles: readonly NodeRole[];
  readonly coordinator: {
    readonly nodeId: NodeId;
    readonly apiAddresses: readonly string[];
    readonly linkAddresses: readonly string[];
    /**
     * Where the invite was redeemed, best first: needed to come back with an expired certificate.
     */
    readonly enrolmentAddresses: readonly string[];
  };
}

const CONNECT_TIMEOUT_MS = 5_000;

/** Throws the `MESH_INVITE_*` that the member gave, `MESH_PIN_MISMATCH` or `MESH_UNREACHABLE`. */
export async function enrolWithInvite(options: EnrolOptions): Promise<Enrolment> {
  const invite = parseInvite(options.inviteText);
  const endpoints = [...(options.endpoints ?? []), ...invite.endpoints];
  const csrPem = await createCertificateRequest(options.keyPair);
  return atFirstGood(endpoints, options.signal, (endpoint) =>
    enrolAt(endpoint, invite, csrPem, options),
  );
}

/**
 * What the first address of a code gives where the right member answers. Throws what that member
 * said, else `MESH_PIN_MISMATCH` or `MESH_UNREACHABLE`; `MESH_INVITE_INVALID` without an address.
 */
export async function atFirstGood<T>(
  endpoints: readonly Endpoint[],
  signal: AbortSignal | undefined,
  attempt: (endpoint: Endpoint) => Promise<T>,
): Promise<T> {
  if (endpoints.length === 0) {
    throw new MeshError("MESH_INVITE_INVALID", {
      message: "Invalid invite code: it names no address",
      hint: "Write the address after it: CODE@host:9001.",
    });
  }
  const failures: MeshError[] = [];
  for (const endpoint of endpoints) {
    try {
      return await attempt(endpoint);
    } catch (error) {
      signal?.throwIfAborted();
      if (!isMeshError(error) || !isAboutAddress(error)) throw error;
      failures.push(error);
    }
  }
  throw worstOf(failures);
}

/** Whether the member of the code answers there; nothing is sent. Throws as `checkPinnedChain`. */
export async function probePinned(
  endpoint: Endpoint,
  { caPin, memberId }: Pick<InviteCode, "caPin" | "memberId">,
  options: { clock: Clock; signal: AbortSignal | undefined; connectTimeoutMs?: number | undefined },
): Promise<PinnedServer> {
  const { clock, signal, connectTimeoutMs = CONNECT_TIMEOUT_MS } = options;
  const chain = await probeCertificates(endpoint, { timeoutMs: connectTimeoutMs, signal });
  return checkPinnedChain(chain, { caPin, memberId, nowMs: clock.nowMs() });
}

async function enrolAt(
  endpoint: Endpoint,
  invite: InviteCode,
  csrPem: string,
  options: EnrolOptions,
): Promise<Enrolment> {
  const { clock, signal, keyPair, kind, name } = options;
  const { connectTimeoutMs } = options;
  const pinned = await probePinned(endpoint, invite, { clock, signal, connectTimeoutMs });
  const request: EnrolRequest = {
    inviteId: invite.id,
    secret: invite.secret,
    csrPem,
    kind,
    name,
  };
  const answer = await postVerified<EnrolResponse>(
    endpoint,
    "/enrol",
    request,
    pinned.caCertificatePem,
    clock,
    signal,
  );
  const enrolmentAddresses = [
    formatEndpoint(endpoint),
    ...[...(options.endpoints ?? []), ...invite.endpoints]
      .filter((one) => one !== endpoint)
      .map(formatEndpoint),
  ];
  return checkEnrolment(answer, pinned, keyPair, enrolmentAddresses, clock);
}

/** POST over TLS that this CA must have signed for a coordinator. */
export function postVerified<Answer>(
  endpoint: Endpoint,
  path: string,
  body: object,
  caCertificatePem: string,
  clock: Clock,
  signal: AbortSignal | undefined,
): Promise<Answer> {
  const headers = { "content-type": "application/json" };
  const request = { method: "POST", path, headers, body: JSON.stringify(body), signal };
  return askVerified(endpoint, request, caCertificatePem, clock);
}

/** A request over TLS that this CA must have signed for a coordinator. */
export async function askVerified<Answer>(
  endpoint: Endpoint,
  request: HttpRequest,
  caCertificatePem: string,
  clock: Clock,
): Promise<Answer> {
  const checkServerIdentity = coordinatorCheck(bundleOf(caCertificatePem), clock);
  const connection = new HttpConnection(endpoint, { caCertificatePem, checkServerIdentity });
  try {
    return await readJson<Answer>(await connection.send(request));
  } finally {
    connection.close();
  }
}

/** Keeps nothing that does not belong together: our key, the pinned CA, the name that was given. */
export function checkEnrolment(
  answer: EnrolResponse,
  pinned: Pick<PinnedServer, "caCertificatePem" | "memberId" | "trustDomain">,
  keyPair: KeyPairPem,
  enrolmentAddresses: readonly string[],
  clock: Clock,
): Enrolment {
  const { caCertificatePem } = pinned;
  const notAfterMs = checkIssued(answer.certificatePem, caCertificatePem, keyPair, clock);
  return {
    memberId: pinned.memberId,
    trustDomain: pinned.trustDomain,
    spiffeId: answer.spiffeId,
    certificatePem: answer.certificatePem,
    caCertificatePem,
    certificateNotAfterMs: notAfterMs,
    grants: answer.grants,
    roles: answer.roles,
    coordinator: {
      nodeId: answer.coordinator.nodeId as NodeId,
      apiAddresses: answer.coordinator.apiAddresses,
      linkAddresses: answer.coordinator.linkAddresses,
      enrolmentAddresses,
    },
  };
}

/** The certificate must be for our key and from this CA. Returns its end. */
export function checkIssued(
  certificatePem: string,
  caCertificatePem: string,
  keyPair: Pick<KeyPairPem, "nodeId">,
  clock: Clock,
): number {
  const leaf = decodePem("CERTIFICATE", certificatePem);
  const bundle = bundleOf(caCertificatePem);
  const principal = verifyCertificate([leaf], { bundle, nowMs: clock.nowMs() });
  if (principal.nodeId !== keyPair.nodeId) {
    throw new MeshError("MESH_CERT_INVALID", {
      message: "the certificate that came back is for another key",
      hint: "Try again; if it happens again, ask the operator.",
    });
  }
  return principal.notAfterMs;
}

/** Whether another address of the same invite may do better. */
function isAboutAddress(error: MeshError): boolean {
  const codes = ["MESH_UNREACHABLE", "MESH_TIMEOUT", "MESH_PROTOCOL", "MESH_STOPPING"];
  const trust = ["MESH_PIN_MISMATCH", "MESH_CERT_UNTRUSTED", "MESH_CERT_INVALID"];
  return codes.includes(error.code) || trust.includes(error.code);
}

/** A server that is not the right one matters more than one that is not there. */
function worstOf(failures: readonly MeshError[]): MeshError {
  const distrust = failures.find((error) => error.code === "MESH_PIN_MISMATCH");
  if (distrust !== undefined) return distrust;
  const [first] = failures;
  if (failures.length === 1 && first !== undefined) return first;
  return new MeshError("MESH_UNREACHABLE", {
    message: `the member cannot be reached (${failures.map((one) => one.message).join("; ")})`,
  });
}
