/** Whom a client accepts as the server: a coordinator of the member whose CA it holds. */
import type { PeerCertificate } from "node:tls";
import { type Clock, MeshError } from "@hearthmesh/core";
import {
  describeMemberCa,
  type Principal,
  type TrustBundle,
  verifyCertificate,
} from "@hearthmesh/identity";

/** The bundle that a member's CA certificate speaks for. */
export function bundleOf(caCertificatePem: string): TrustBundle {
  const { trustDomain } = describeMemberCa(caCertificatePem);
  return { trustDomain, sequence: 0, caCertificatesPem: [caCertificatePem] };
}

/**
 * For the option `checkServerIdentity` of node:tls, which calls it after it has verified the chain.
 * Our certificates name an identity (SPIFFE id) and no host, so this takes the place of the check
 * of the host name: the certificate must be that of a coordinator of this member.
 */
export function coordinatorCheck(
  bundle: TrustBundle,
  clock: Clock,
): (host: string, certificate: PeerCertificate) => Error | undefined {
  return (_host, certificate) => {
    try {
      const principal = verifyCertificate([certificate.raw], { bundle, nowMs: clock.nowMs() });
      requireCoordinator(principal);
      return undefined;
    } catch (error) {
      return error instanceof Error ? error : new Error(String(error));
    }
  };
}

/** Throws `MESH_CERT_UNTRUSTED` unless it is a coordinator. */
function requireCoordinator(principal: Principal): void {
  if (principal.kind === "coordinator") return;
  throw new MeshError("MESH_CERT_UNTRUSTED", {
    message: `the server is ${principal.spiffeId}, which is not a coordinator`,
    hint: "Check the address and the port.",
  });
}
