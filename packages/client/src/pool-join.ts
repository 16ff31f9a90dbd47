/**
 * Asks the admin of a pool to let this machine in. The admin's CA is checked against the pool's
 * root key before anything is sent, and what comes back before anything is kept.
 */
import { type Clock, isMeshError, MeshError } from "@hearthmesh/core";
import type { PoolJoinRequest, PoolJoinResponse } from "@hearthmesh/gateway/contracts";
import {
  caPinOfRoot,
  checkPinnedChain,
  type Endpoint,
  formatEndpoint,
  type KeyPairPem,
  type PoolRoster,
  poolRootOf,
  verifyPoolRoster,
} from "@hearthmesh/identity";
import { probeCertificates } from "./certificate-probe.js";
import { checkEnrolment, type Enrolment, postVerified } from "./enrol.js";

export interface PoolQuestion {
  readonly endpoint: Endpoint;
  /** The pool's root public key, as text. */
  readonly root: string;
  readonly request: PoolJoinRequest;
  readonly keyPair: KeyPairPem;
  /** Where the same admin may be too. */
  readonly otherEndpoints: readonly Endpoint[];
  readonly clock: Clock;
  readonly signal: AbortSignal;
}

export type PoolAnswer = Pick<PoolJoinResponse, "words" | "poolName" | "networkId"> &
  (
    | { readonly state: "waiting" }
    | { readonly state: "joined"; readonly enrolment: Enrolment; readonly roster: PoolRoster }
  );

const CONNECT_TIMEOUT_MS = 3_000;

/**
 * One question, which the admin may keep for `request.waitMs`. Throws `MESH_PIN_MISMATCH` when
 * somebody else answers there, `MESH_UNREACHABLE`, and what the admin says: `MESH_POOL_REFUSED`,
 * `MESH_POOL_UNKNOWN`, `MESH_PAIRING_INVALID`, `MESH_LIMIT`.
 */
export async function askToJoinPool(question: PoolQuestion): Promise<PoolAnswer> {
  const { endpoint, root, request, keyPair, clock, signal } = question;
  const timeoutMs = CONNECT_TIMEOUT_MS;
  const chain = await probeCertificates(endpoint, { timeoutMs, signal });
  const pinned = checkPinnedChain(chain, { caPin: caPinOfRoot(root), nowMs: clock.nowMs() });
  const { caCertificatePem } = pinned;
  if (poolRootOf(caCertificatePem) !== root) throw new MeshError("MESH_PIN_MISMATCH");
  const answer = await post(question, caCertificatePem);
  const { words, poolName, networkId } = answer;
  const told = { words, poolName, networkId };
  if (answer.state === "waiting") return { state: "waiting", ...told };
  if (answer.enrolment === undefined) {
    throw new MeshError("MESH_PROTOCOL", { message: "the admin's answer has no certificate" });
  }
  const addresses = [endpoint, ...question.otherEndpoints].map(formatEndpoint);
  const enrolment = checkEnrolment(
    answer.enrolment,
    pinned,
    keyPair,
    [...new Set(addresses)],
    clock,
  );
  const roster = verifyPoolRoster(answer.roster, root);
  const isIn = roster.members.some(({ nodeId }) => nodeId === keyPair.nodeId);
  if (!isIn || roster.poolId !== request.poolId) {
    throw new MeshError("MESH_POOL_ENTRY_INVALID", {
      message: "the list of the pool's members that came back does not name this machine",
    });
  }
  return { state: "joined", ...told, enrolment, roster };
}

async function post(
  { endpoint, request, clock, signal }: PoolQuestion,
  caCertificatePem: string,
): Promise<PoolJoinResponse> {
  try {
    const path = "/enrol/pool";
    return await postVerified(endpoint, path, request, caCertificatePem, clock, signal);
  } catch (error) {
    if (!isOtherDoor(error)) throw error;
    throw new MeshError("MESH_UNREACHABLE", {
      message: `${formatEndpoint(endpoint)} is the admin's, but not its enrolment port`,
      hint: "Enrolment is port 9001, unless its node was started with another one.",
      cause: error,
    });
  }
}

/** The API and links ask for a certificate (RFC 8446, alert 116); the page has no such route. */
function isOtherDoor(error: unknown): boolean {
  if (!isMeshError(error)) return false;
  return error.code === "MESH_NOT_FOUND" || /certificate required/.test(error.message);
}
