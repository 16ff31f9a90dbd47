/** New certificates for a key that is known: before the old one ends (renew) or after (recover). */
import { type Clock, isMeshError, MeshError, type TrustDomain } from "@hearthmesh/core";
import type { EnrolResponse, RecoverRequest } from "@hearthmesh/gateway/contracts";
import {
  createCertificateRequest,
  describeMemberCa,
  type KeyPairPem,
  parseEndpoint,
  recoveryMessage,
  signerOf,
} from "@hearthmesh/identity";
import type { ApiClient } from "./api-client.js";
import { checkEnrolment, checkIssued, type Enrolment, postVerified } from "./enrol.js";

export interface RenewedCertificate {
  readonly certificatePem: string;
  readonly certificateNotAfterMs: number;
}

/** `api` must be under mutual TLS with the present certificate of this key. */
export async function renewCertificate(
  api: ApiClient,
  options: { keyPair: KeyPairPem; caCertificatePem: string; clock: Clock },
): Promise<RenewedCertificate> {
  const { keyPair, caCertificatePem, clock } = options;
  const csrPem = await createCertificateRequest(keyPair);
  const { certificatePem } = await api.renew({ csrPem });
  const certificateNotAfterMs = checkIssued(certificatePem, caCertificatePem, keyPair, clock);
  return { certificatePem, certificateNotAfterMs };
}

export interface RecoverOptions {
  /** Enrolment ports, in order. */
  enrolmentAddresses: readonly string[];
  caCertificatePem: string;
  keyPair: KeyPairPem;
  clock: Clock;
  signal?: AbortSignal;
}

/**
 * Proves the old key at the enrolment port and gets a new certificate. The CA is known from before,
 * so every step is verified. Throws `MESH_RECOVERY_EXHAUSTED`, `MESH_CERT_REVOKED`, or
 * `MESH_UNREACHABLE` when no address answers.
 */
export async function recoverCertificate(options: RecoverOptions): Promise<Enrolment> {
  const { enrolmentAddresses, caCertificatePem, keyPair, clock, signal } = options;
  const { memberId, trustDomain } = describeMemberCa(caCertificatePem);
  const csrPem = await createCertificateRequest(keyPair);
  let failure: unknown = new MeshError("MESH_UNREACHABLE", { message: "no address is known" });
  for (const address of enrolmentAddresses) {
    try {
      const endpoint = parseEndpoint(address);
      const request = recoverRequest(keyPair, csrPem, trustDomain, clock);
      const answer = await postVerified<EnrolResponse>(
        endpoint,
        "/recover",
        request,
        caCertificatePem,
        clock,
        signal,
      );
      const pinned = { caCertificatePem, memberId, trustDomain };
      return checkEnrolment(answer, pinned, keyPair, enrolmentAddresses, clock);
    } catch (error) {
      signal?.throwIfAborted();
      const elsewhere =
        isMeshError(error, "MESH_UNREACHABLE") ||
        isMeshError(error, "MESH_TIMEOUT") ||
        isMeshError(error, "MESH_CERT_UNTRUSTED");
      if (!elsewhere) throw error;
      failure = error;
    }
  }
  throw failure;
}

function recoverRequest(
  keyPair: KeyPairPem,
  csrPem: string,
  trustDomain: TrustDomain,
  clock: Clock,
): RecoverRequest {
  const { nodeId, privateKeyPem } = keyPair;
  const signedAtMs = clock.nowMs();
  const message = recoveryMessage({ nodeId, csrPem, signedAtMs, member: trustDomain });
  const signature = Buffer.from(signerOf(privateKeyPem)(message)).toString("base64");
  return { nodeId, csrPem, signedAtMs, signature };
}
