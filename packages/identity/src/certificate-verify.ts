/**
 * Decides who a certificate speaks for. The only way from bytes of a peer to a `Principal`.
 *
 * A certificate is accepted when all of this holds: it is well-formed; a CA of the bundle issued
 * it directly (same name, valid signature); CA and leaf are valid now; the leaf is no CA, may
 * sign, and is for both sides of TLS; it has exactly one URI name, a SPIFFE id of the bundle's
 * own trust domain; and its key is not revoked. Bundles of different domains are never pooled:
 * the caller picks the bundle, and what the certificate claims is compared with it, never copied
 * from it (CVE-2026-31360).
 */
import { type KeyObject, verify } from "node:crypto";
import { MeshError } from "@hearthmesh/core";
import { CERTIFICATE_OIDS } from "./certificate-oids.js";
import { type ParsedCertificate, parseCertificate } from "./certificate-parse.js";
import { nodeIdOfPublicKey, toKeyObject } from "./keys.js";
import { decodePem } from "./pem.js";
import { findRevocation } from "./revocation.js";
import { parseSpiffeId } from "./spiffe.js";
import type { Principal, RevocationList, TrustBundle } from "./types.js";

export interface VerifyOptions {
  bundle: TrustBundle;
  nowMs: number;
  /** Of the same trust domain, verified before. */
  revocations?: RevocationList;
}

/** Verifies many certificates against one bundle, whose CAs are read once. */
export interface CertificateVerifier {
  /** `chainDer`: the peer's certificate first; the rest is not needed and not trusted. */
  verify(
    chainDer: readonly Uint8Array[],
    at: { nowMs: number; revocations?: RevocationList },
  ): Principal;
}

interface Issuer {
  certificate: ParsedCertificate;
  key: KeyObject;
}

/** `MESH_CERT_INVALID` when a certificate of the bundle is not a CA of ours. */
export function createVerifier(bundle: TrustBundle): CertificateVerifier {
  const issuers = bundle.caCertificatesPem.map(readIssuer);
  return {
    verify: (chainDer, at) => verifyLeaf(chainDer, issuers, bundle, at),
  };
}

/**
 * Who the certificate speaks for. Throws `MESH_CERT_UNTRUSTED`, `MESH_CERT_EXPIRED`,
 * `MESH_CERT_REVOKED` or `MESH_CERT_INVALID`. For more than one certificate use `createVerifier`.
 */
export function verifyCertificate(
  chainDer: readonly Uint8Array[],
  options: VerifyOptions,
): Principal {
  return createVerifier(options.bundle).verify(chainDer, options);
}

function readIssuer(pem: string): Issuer {
  const certificate = parseCertificate(decodePem("CERTIFICATE", pem));
  if (!certificate.isCa || !certificate.keyUsage.keyCertSign) {
    throw new MeshError("MESH_CERT_INVALID", { message: "a certificate of the bundle is no CA" });
  }
  return { certificate, key: toKeyObject(certificate.publicKeyDer) };
}

function verifyLeaf(
  chainDer: readonly Uint8Array[],
  issuers: readonly Issuer[],
  bundle: TrustBundle,
  at: { nowMs: number; revocations?: RevocationList },
): Principal {
  const [der] = chainDer;
  if (der === undefined) {
    throw new MeshError("MESH_UNAUTHENTICATED", { message: "the caller showed no certificate" });
  }
  const leaf = parseCertificate(der);
  const issuer = issuers.find((candidate) => issued(candidate, leaf));
  if (issuer === undefined) throw new MeshError("MESH_CERT_UNTRUSTED");
  checkUsage(leaf);
  const [uri = "", ...others] = leaf.uris;
  if (others.length > 0) {
    throw new MeshError("MESH_CERT_INVALID", { message: "the certificate has several names" });
  }
  const id = parseSpiffeId(uri);
  if (id.trustDomain !== bundle.trustDomain) {
    throw new MeshError("MESH_CERT_UNTRUSTED", {
      message: `the certificate is of the domain ${id.trustDomain}, not of ${bundle.trustDomain}`,
    });
  }
  toKeyObject(leaf.publicKeyDer);
  const nodeId = nodeIdOfPublicKey(leaf.publicKeyDer);
  checkRevocation(at.revocations, bundle, nodeId);
  checkTime(issuer.certificate, at.nowMs, "the member's CA certificate");
  checkTime(leaf, at.nowMs, "the certificate");
  const { serial, notAfterMs } = leaf;
  return {
    kind: id.kind,
    spiffeId: uri,
    trustDomain: id.trustDomain,
    name: id.name,
    nodeId,
    serial,
    notAfterMs,
  };
}

function issued(issuer: Issuer, leaf: ParsedCertificate): boolean {
  const sameName = Buffer.from(issuer.certificate.subjectDer).equals(leaf.issuerDer);
  return (
    sameName &&
    verify("sha256", leaf.signedDer, { key: issuer.key, dsaEncoding: "der" }, leaf.signature)
  );
}

function checkUsage(leaf: ParsedCertificate): void {
  const usages = leaf.extendedKeyUsages;
  const bothSides =
    usages.includes(CERTIFICATE_OIDS.clientAuth) && usages.includes(CERTIFICATE_OIDS.serverAuth);
  if (leaf.isCa || leaf.keyUsage.keyCertSign || !leaf.keyUsage.digitalSignature || !bothSides) {
    throw new MeshError("MESH_CERT_INVALID", { message: "the certificate is not for this use" });
  }
}

function checkRevocation(
  list: RevocationList | undefined,
  bundle: TrustBundle,
  nodeId: Principal["nodeId"],
): void {
  if (list === undefined) return;
  if (list.trustDomain !== bundle.trustDomain) {
    throw new MeshError("MESH_CERT_UNTRUSTED", {
      message: "the list of revoked certificates is of another domain",
    });
  }
  const entry = findRevocation(list, nodeId);
  if (entry !== undefined) {
    throw new MeshError("MESH_CERT_REVOKED", {
      details: { nodeId, revokedAtMs: entry.atMs },
    });
  }
}

/** `MESH_CERT_EXPIRED` after its time, `MESH_CERT_INVALID` before it. */
export function checkTime(certificate: ParsedCertificate, nowMs: number, what: string): void {
  if (nowMs < certificate.notBeforeMs) {
    const from = new Date(certificate.notBeforeMs).toISOString();
    throw new MeshError("MESH_CERT_INVALID", {
      message: `${what} is not valid before ${from}`,
      hint: "Check that the clocks of both machines are right.",
    });
  }
  if (nowMs > certificate.notAfterMs) {
    const since = new Date(certificate.notAfterMs).toISOString();
    throw new MeshError("MESH_CERT_EXPIRED", {
      message: `${what} has expired on ${since}`,
      details: { notAfterMs: certificate.notAfterMs },
    });
  }
}
