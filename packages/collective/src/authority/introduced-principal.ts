/**
 * Who a certificate of another mesh speaks for. It is checked against the CA that its node had when
 * it was introduced, and against nothing else; its key must be the one that was introduced.
 */
import type { NodeId } from "@hearthmesh/core";
import {
  createVerifier,
  nodeIdOfPublicKey,
  type Principal,
  parseCertificate,
} from "@hearthmesh/identity";
import type { IntroductionRecord } from "./introductions.js";

export interface IntroducedPrincipal {
  readonly principal: Principal;
  readonly record: IntroductionRecord;
}

/** Undefined when it is of no node that is known here. Throws `MESH_CERT_*`. */
export function introducedPrincipal(
  introductions: { get(nodeId: NodeId): IntroductionRecord | undefined },
  certificates: readonly Uint8Array[],
  nowMs: number,
): IntroducedPrincipal | undefined {
  const nodeId = keyOf(certificates[0]);
  const record = nodeId === undefined ? undefined : introductions.get(nodeId);
  if (record === undefined) return undefined;
  const { trustDomain, caCertificatePem } = record;
  const bundle = { trustDomain, sequence: 1, caCertificatesPem: [caCertificatePem] };
  return { principal: createVerifier(bundle).verify(certificates, { nowMs }), record };
}

function keyOf(certificate: Uint8Array | undefined): NodeId | undefined {
  if (certificate === undefined) return undefined;
  try {
    return nodeIdOfPublicKey(parseCertificate(certificate).publicKeyDer);
  } catch {
    return undefined;
  }
}
