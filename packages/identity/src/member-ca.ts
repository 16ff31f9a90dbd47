/**
 * The certificate authority of one member and the certificates that it issues.
 *
 * CA: P-256, self-signed, path length 0, subject `CN=<member>`, URI name `spiffe://<domain>`, and
 * a critical name constraint on URIs: a stolen copy of it cannot speak for another domain. Leaf:
 * one URI name with the SPIFFE id, usable by both sides of TLS, a random 128-bit serial, valid
 * from a little in the past, and never longer than the CA.
 */
import { isIP, isIPv6 } from "node:net";
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

/** Only its type: the library is loaded when a certificate is written, see `x509.ts`. */
type X509 = typeof import("./x509.js");

/** As X.520 limits a common name. */
const COMMON_NAME_LENGTH_MAX = 64;
const DNS_NAME = /^[a-z0-9_](?:[a-z0-9._-]{0,251}[a-z0-9_])?$/i;
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
  const x509 = await import("./x509.js");
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
  const x509 = await import("./x509.js");
  const certificate = await x509.X509CertificateGenerator.create({
    serialNumber: randomSerial(options.random),
    // With the kind it is never the CA's own name, which would make it look self-signed.
    subject: [{ OU: [options.kind] }, { CN: [options.name.slice(0, COMMON_NAME_LENGTH_MAX)] }],
    issuer: new x509.Name(Buffer.from(ca.subjectDer)),
    notBefore: new Date(nowMs - limits.CERTIFICATE_BACKDATE_MS),
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
      subjectNames(x509, spiffeId, options),
      await authorityKeyId(x509, ca),
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
  checkReachableNames(options);
  if (nodeIdOfPublicKey(options.publicKeyDer) === nodeIdOfPublicKey(ca.publicKeyDer)) {
    throw new MeshError("MESH_CERT_INVALID", { message: "the key is the CA's own" });
  }
}

/** `MESH_BAD_REQUEST` that names the first one that is no host name or address. */
export function checkReachableNames({
  dnsNames = [],
  ipAddresses = [],
}: Pick<IssueCertificateOptions, "dnsNames" | "ipAddresses">): void {
  const wrongName = dnsNames.find((name) => !DNS_NAME.test(name));
  // An address with a zone means something on one machine only.
  const wrongAddress = ipAddresses.find((address) => isIP(address) === 0 || address.includes("%"));
  const wrong = wrongName ?? wrongAddress;
  if (wrong === undefined) return;
  throw new MeshError("MESH_BAD_REQUEST", {
    message: `${JSON.stringify(wrong.slice(0, 80))} is not a host name or address`,
  });
}

function subjectNames(x509: X509, spiffeId: string, options: IssueCertificateOptions) {
  return new x509.SubjectAlternativeNameExtension([
    { type: "url", value: spiffeId },
    ...(options.dnsNames ?? []).map((value) => ({ type: "dns" as const, value })),
    ...(options.ipAddresses ?? []).map((address) => ({
      type: "ip" as const,
      value: isIPv6(address) ? withoutDots(address) : address,
    })),
  ]);
}

/** The library takes `::ffff:10.0.0.1` for another address; a URL spells it in hexadecimal. */
export function withoutDots(ipv6Address: string): string {
  return new URL(`http://[${ipv6Address}]`).hostname.slice(1, -1);
}

/** Names the CA's key as the CA's own certificate does; by its hash when that names none. */
async function authorityKeyId(x509: X509, ca: ParsedCertificate) {
  const { AuthorityKeyIdentifierExtension: AuthorityKeyId } = x509;
  if (ca.subjectKeyId === undefined) return AuthorityKeyId.create(Buffer.from(ca.publicKeyDer));
  return new AuthorityKeyId(Buffer.from(ca.subjectKeyId).toString("hex"), false);
}

/** 128 random bits; the first is set, so that the length never tells anything. */
export function randomSerial(random: Random): string {
  const bytes = Buffer.from(random.bytes(16));
  bytes[0] = (bytes[0] ?? 0) | 0x80;
  return bytes.toString("hex");
}

/** NameConstraints (RFC 5280, 4.2.1.10): URIs only of exactly this host. */
function uriConstraint(domain: string): Uint8Array {
  const uri = encodeDer(0x86, Buffer.from(domain, "latin1"));
  return encodeDer(0x30, encodeDer(0xa0, encodeDer(0x30, uri)));
}
