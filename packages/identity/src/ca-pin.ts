/**
 * The pin of a CA: what an invite carries so that a newcomer knows the member that it talks to.
 * It is base32 of the first 128 bits of SHA-256 of the CA's public key (SPKI, DER).
 */
import { createHash } from "node:crypto";
import { type MemberId, MeshError, type TrustDomain, toBase32 } from "@hearthmesh/core";
import { type ParsedCertificate, parseCertificate } from "./certificate-parse.js";
import { checkTime, verifyCertificate } from "./certificate-verify.js";
import { caNames } from "./member-ca.js";
import { decodePem, encodePem } from "./pem.js";
import type { Principal } from "./types.js";

const PIN_BYTES = 16;
/** Certificates of a chain that are looked at; ours have two. */
const CHAIN_CERTIFICATES_MAX = 4;

/** 26 characters of base32. */
export function caPinOf(caCertificatePem: string): string {
  return pinOf(parseCertificate(decodePem("CERTIFICATE", caCertificatePem)));
}

function pinOf(certificate: ParsedCertificate): string {
  const digest = createHash("sha256").update(certificate.publicKeyDer).digest();
  return toBase32(digest.subarray(0, PIN_BYTES));
}

export interface PinnedServer {
  readonly caCertificatePem: string;
  readonly memberId: MemberId;
  readonly trustDomain: TrustDomain;
  /** The coordinator that answered. */
  readonly server: Principal;
}

/**
 * What a newcomer checks before it sends a secret. `chainDer` is the chain that the server showed
 * in the TLS handshake, its own certificate first. The pinned CA must be in it, must have issued
 * the server's certificate, and that must be a coordinator's. Throws `MESH_PIN_MISMATCH`;
 * `MESH_INVITE_WRONG_MEMBER` when the CA is another member's than `memberId`;
 * `MESH_CERT_EXPIRED`.
 */
export function checkPinnedChain(
  chainDer: readonly Uint8Array[],
  expected: { caPin: string; memberId?: string; nowMs: number },
): PinnedServer {
  const ca = findPinned(chainDer, expected.caPin);
  const { memberId, trustDomain } = caNames(ca.certificate);
  if (expected.memberId !== undefined && expected.memberId !== memberId) {
    throw new MeshError("MESH_INVITE_WRONG_MEMBER", {
      message: `the server is of the member ${memberId}, the invite of ${expected.memberId}`,
    });
  }
  checkTime(ca.certificate, expected.nowMs, "the member's CA certificate");
  const caCertificatePem = encodePem("CERTIFICATE", ca.der);
  const server = verifyServer(chainDer, caCertificatePem, trustDomain, expected.nowMs);
  return { caCertificatePem, memberId, trustDomain, server };
}

function findPinned(chainDer: readonly Uint8Array[], caPin: string) {
  for (const der of chainDer.slice(0, CHAIN_CERTIFICATES_MAX)) {
    const certificate = readOrSkip(der);
    if (certificate?.isCa && pinOf(certificate) === caPin) return { der, certificate };
  }
  throw new MeshError("MESH_PIN_MISMATCH");
}

/** A certificate that cannot be read cannot be the pinned one. */
function readOrSkip(der: Uint8Array): ParsedCertificate | undefined {
  try {
    return parseCertificate(der);
  } catch {
    return undefined;
  }
}

function verifyServer(
  chainDer: readonly Uint8Array[],
  caCertificatePem: string,
  trustDomain: TrustDomain,
  nowMs: number,
): Principal {
  const bundle = { trustDomain, sequence: 0, caCertificatesPem: [caCertificatePem] };
  let server: Principal;
  try {
    server = verifyCertificate(chainDer, { bundle, nowMs });
  } catch (cause) {
    if (cause instanceof MeshError && cause.code === "MESH_CERT_EXPIRED") throw cause;
    const reason = cause instanceof Error ? cause.message : String(cause);
    throw new MeshError("MESH_PIN_MISMATCH", {
      message: `the server is not the member that the invite names: ${reason}`,
      cause,
    });
  }
  if (server.kind === "coordinator") return server;
  throw new MeshError("MESH_PIN_MISMATCH", {
    message: `the server is ${server.spiffeId}, which is not a coordinator`,
  });
}
