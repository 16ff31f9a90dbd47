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
  limits,
  type MemberId,
  MeshError,
  parseMemberId,
  type Random,
  type TrustDomain,
} from "@hearthmesh/core";
import { type ParsedCertificate, parseCertificate } from "./certificate-parse.js";
import { encodeDer } from "./der.js";
import { checkPublicKey, generateKeyPair, nodeIdOfPublicKey, publicKeyDerOf } from "./keys.js";
import { decodePem, encodePem } from "./pem.js";
import { checkTrustDomain, formatSpiffeId } from "./spiffe.js";
import type { PrincipalKind } from "./types.js";
import * as x509 from "./x509.js";

const NAME_CONSTRAINTS_OID = "2.5.29.30";

/** Both PEM; the private key is PKCS#8. */
export interface MemberCa {
  readonly privateKeyPem: string;
  readonly certificatePem: string;
}

export interface CreateMemberCaOptions {
  memberId: MemberId | string;
  trustDomain: TrustDomain | string;
  clock: Clock;
  random: Random;
}

/** A new CA. Its key is drawn from `random`. `MESH_BAD_REQUEST` for a bad name or domain. */
export async function createMemberCa(options: CreateMemberCaOptions): Promise<MemberCa> {
  const memberId = parseMemberId(options.memberId);
  const trustDomain = checkTrustDomain(options.trustDomain);
  const keys = generateKeyPair(options.random);
  const publicKey = Buffer.from(publicKeyDerOf(keys.publicKeyPem));
  const nowMs = options.clock.nowMs();
  const certificate = await x509.X509CertificateGenerator.create({
    serialNumber: randomSerial(options.random),
    subject: [{ CN: [memberId] }],
    issuer: [{ CN: [memberId] }],
    notBefore: new Date(nowMs - limits.CERTIFICATE_BACKDATE_MS),
    notAfter: new Date(nowMs + limits.CA_CERTIFICATE_VALIDITY_MS),
    publicKey,
    signingKey: await x509.importSigningKey(keys.privateKeyPem),
    signingAlgorithm: x509.SIGNING_ALGORITHM,
    extensions: [
      new x509.BasicConstraintsExtension(true, 0, true),
      new x509.KeyUsagesExtension(
        x509.KeyUsageFlags.keyCertSign | x509.KeyUsageFlags.cRLSign,
        true,
      ),
      new x509.SubjectAlternativeNameExtension([{ type: "url", value: `spiffe://${trustDomain}` }]),
      new x509.Extension(NAME_CONSTRAINTS_OID, true, Buffer.from(uriConstraint(trustDomain))),
      await x509.SubjectKeyIdentifierExtension.create(publicKey),
    ],
  });
  return {
    privateKeyPem: keys.privateKeyPem,
    certificatePem: encodePem("CERTIFICATE", new Uint8Array(certificate.rawData)),
  };
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
  const nowMs = options.clock.nowMs();
  checkIssuable(options, ca, nowMs);
  const spiffeId = formatSpiffeId(options);
  const publicKey = Buffer.from(checkPublicKey(options.publicKeyDer));
  const certificate = await x509.X509CertificateGenerator.create({
    serialNumber: randomSerial(options.random),
    subject: [{ CN: [options.name.slice(0, 64)] }],
    issuer: new x509.Name(Buffer.from(ca.subjectDer)),
    notBefore: new Date(Math.max(nowMs - limits.CERTIFICATE_BACKDATE_MS, ca.notBeforeMs)),
    notAfter: new Date(Math.min(nowMs + options.validityMs, ca.notAfterMs)),
    publicKey,
    signingKey: await x509.importSigningKey(options.ca.privateKeyPem),
    signingAlgorithm: x509.SIGNING_ALGORITHM,
    extensions: [
      new x509.BasicConstraintsExtension(false, undefined, true),
      new x509.KeyUsagesExtension(x509.KeyUsageFlags.digitalSignature, true),
      new x509.ExtendedKeyUsageExtension([
        x509.ExtendedKeyUsage.clientAuth,
        x509.ExtendedKeyUsage.serverAuth,
      ]),
      subjectNames(spiffeId, options),
      await x509.AuthorityKeyIdentifierExtension.create(Buffer.from(ca.publicKeyDer)),
    ],
  });
  const der = new Uint8Array(certificate.rawData);
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
  if (nodeIdOfPublicKey(options.publicKeyDer) === nodeIdOfPublicKey(ca.publicKeyDer)) {
    throw new MeshError("MESH_CERT_INVALID", { message: "the key is the CA's own" });
  }
}

function subjectNames(
  spiffeId: string,
  options: IssueCertificateOptions,
): x509.SubjectAlternativeNameExtension {
  return new x509.SubjectAlternativeNameExtension([
    { type: "url", value: spiffeId },
    ...(options.dnsNames ?? []).map((value) => ({ type: "dns" as const, value })),
    ...(options.ipAddresses ?? []).map((value) => ({ type: "ip" as const, value })),
  ]);
}

/** 128 random bits; the first is set, so that the length never tells anything. */
function randomSerial(random: Random): string {
  const bytes = Buffer.from(random.bytes(16));
  bytes[0] = (bytes[0] ?? 0) | 0x80;
  return bytes.toString("hex");
}

/** NameConstraints (RFC 5280, 4.2.1.10): URIs only of exactly this host. */
function uriConstraint(domain: string): Uint8Array {
  const uri = encodeDer(0x86, Buffer.from(domain, "latin1"));
  return encodeDer(0x30, encodeDer(0xa0, encodeDer(0x30, uri)));
}
