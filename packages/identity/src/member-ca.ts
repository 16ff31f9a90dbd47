/**
 * The certificate authority of one member and the certificates that it issues.
 *
 * CA: P-256, self-signed, path length 0, subject `CN=<member>`, URI name `spiffe://<domain>`, and
 * a critical name constraint on URIs: a stolen copy of it cannot speak for another domain. Leaf:
 * one URI name with the SPIFFE id, usable by both sides of TLS, a random 128-bit serial, valid
 * from a little in the past, and never longer than the CA.
 */
import {
  type Clock,
  type MemberId,
  MeshError,
  parseMemberId,
  type Random,
  type TrustDomain,
} from "@hearthmesh/core";
import {
  buildAuthority,
  buildLeaf,
  checkReachableNames,
  type KeyAndCertificate,
} from "./certificate-build.js";
import { type ParsedCertificate, parseCertificate } from "./certificate-parse.js";
import { encodeDer } from "./der.js";
import { nodeIdOfPublicKey } from "./keys.js";
import { decodePem, encodePem } from "./pem.js";
import { checkTrustDomain, formatSpiffeId } from "./spiffe.js";
import type { PrincipalKind } from "./types.js";

const NAME_CONSTRAINTS_OID = "2.5.29.30";

export type MemberCa = KeyAndCertificate;

export interface CreateMemberCaOptions {
  memberId: MemberId | string;
  trustDomain: TrustDomain | string;
  /** Of a CA that was there before: its certificates stay good. Default: a new key. */
  privateKeyPem?: string;
  clock: Clock;
  random: Random;
}

/** A new CA. Its key is drawn from `random`. `MESH_BAD_REQUEST` for a bad name or domain. */
export async function createMemberCa(options: CreateMemberCaOptions): Promise<MemberCa> {
  const memberId = parseMemberId(options.memberId);
  const trustDomain = checkTrustDomain(options.trustDomain);
  const { clock, random, privateKeyPem } = options;
  return buildAuthority({
    commonName: memberId,
    privateKeyPem,
    uri: `spiffe://${trustDomain}`,
    signsRevocationLists: true,
    extensions: (x509) => [
      new x509.Extension(NAME_CONSTRAINTS_OID, true, Buffer.from(uriConstraint(trustDomain))),
    ],
    clock,
    random,
  });
}

export interface IssueCertificateOptions {
  ca: MemberCa;
  /** SPKI, DER. */
  publicKeyDer: Uint8Array;
  kind: PrincipalKind;
  trustDomain: TrustDomain;
  /** A node's name, or a person's global id. */
  name: string;
  validityMs: number;
  clock: Clock;
  random: Random;
  /** Names and addresses under which browsers and other tools reach a server. */
  dnsNames?: readonly string[];
  ipAddresses?: readonly string[];
}

export interface IssuedCertificate {
  readonly certificatePem: string;
  /** Lower-case hexadecimal. */
  readonly serial: string;
  readonly notAfterMs: number;
  readonly spiffeId: string;
}

/**
 * Issues a leaf. Everything in it comes from the caller; nothing from a request. Throws
 * `MESH_CERT_EXPIRED` when the CA is no longer valid, `MESH_CERT_INVALID` for a key that is not
 * allowed or is the CA's own, `MESH_BAD_REQUEST` for a bad name or a domain that is not the CA's.
 */
export async function issueCertificate(
  options: IssueCertificateOptions,
): Promise<IssuedCertificate> {
  const ca = parseCertificate(decodePem("CERTIFICATE", options.ca.certificatePem));
  checkIssuable(options, ca, options.clock.nowMs());
  const spiffeId = formatSpiffeId(options);
  const der = await buildLeaf({
    ...options,
    ca,
    caPrivateKeyPem: options.ca.privateKeyPem,
    // With the kind it is never the CA's own name, which would make it look self-signed.
    organizationalUnit: options.kind,
    commonName: options.name,
    uris: [spiffeId],
  });
  const { serial, notAfterMs } = parseCertificate(der);
  return { certificatePem: encodePem("CERTIFICATE", der), serial, notAfterMs, spiffeId };
}

/**
 * The member and domain that a CA certificate speaks for. `MESH_CERT_INVALID` when it is not a
 * CA.
 */
export function describeMemberCa(certificatePem: string): {
  memberId: MemberId;
  trustDomain: TrustDomain;
  notAfterMs: number;
} {
  const ca = parseCertificate(decodePem("CERTIFICATE", certificatePem));
  return { ...caNames(ca), notAfterMs: ca.notAfterMs };
}

/** Member and domain as the CA's own certificate states them. */
export function caNames(ca: ParsedCertificate): { memberId: MemberId; trustDomain: TrustDomain } {
  const [uri = "", ...others] = ca.uris;
  if (!ca.isCa || others.length > 0 || !uri.startsWith("spiffe://")) {
    throw new MeshError("MESH_CERT_INVALID", { message: "the certificate is not a member's CA" });
  }
  try {
    return {
      memberId: parseMemberId(ca.commonName ?? ""),
      trustDomain: checkTrustDomain(uri.slice("spiffe://".length)),
    };
  } catch (cause) {
    throw new MeshError("MESH_CERT_INVALID", { message: "the CA's names are not valid", cause });
  }
}

function checkIssuable(options: IssueCertificateOptions, ca: ParsedCertificate, nowMs: number) {
  if (caNames(ca).trustDomain !== options.trustDomain) {
    throw new MeshError("MESH_BAD_REQUEST", { message: "the CA speaks for another domain" });
  }
  if (nowMs >= ca.notAfterMs) {
    throw new MeshError("MESH_CERT_EXPIRED", { message: "the member's CA has expired" });
  }
  if (!(options.validityMs >= 1_000)) {
    throw new MeshError("MESH_BAD_REQUEST", { message: "a certificate is valid for 1 s at least" });
  }
  checkReachableNames(options);
  if (nodeIdOfPublicKey(options.publicKeyDer) === nodeIdOfPublicKey(ca.publicKeyDer)) {
    throw new MeshError("MESH_CERT_INVALID", { message: "the key is the CA's own" });
  }
}

/** NameConstraints (RFC 5280, 4.2.1.10): URIs only of exactly this host. */
function uriConstraint(domain: string): Uint8Array {
  const uri = encodeDer(0x86, Buffer.from(domain, "latin1"));
  return encodeDer(0x30, encodeDer(0xa0, encodeDer(0x30, uri)));
}
