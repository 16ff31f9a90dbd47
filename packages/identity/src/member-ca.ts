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
import {
  authorityKeyId,
  basicConstraints,
  extendedKeyUsage,
  keyIdOf,
  keyUsage,
  subjectKeyId,
  subjectNames,
  uriNameConstraint,
} from "./certificate-extensions.js";
import { CERTIFICATE_OIDS as OID } from "./certificate-oids.js";
import { type ParsedCertificate, parseCertificate } from "./certificate-parse.js";
import { nameDer, writeCertificate } from "./certificate-write.js";
import { checkPublicKey, generateKeyPair, nodeIdOfPublicKey, publicKeyDerOf } from "./keys.js";
import { decodePem, encodePem } from "./pem.js";
import { checkTrustDomain, formatSpiffeId } from "./spiffe.js";
import type { PrincipalKind } from "./types.js";

/** As X.520 limits a common name. */
const COMMON_NAME_LENGTH_MAX = 64;
const DNS_NAME = /^[a-z0-9_](?:[a-z0-9._-]{0,251}[a-z0-9_])?$/i;

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
  const publicKeyDer = publicKeyDerOf(keys.publicKeyPem);
  const nowMs = options.clock.nowMs();
  const der = writeCertificate(
    {
      serial: randomSerial(options.random),
      subjectDer: nameDer(memberId),
      issuerDer: nameDer(memberId),
      notBeforeMs: nowMs - limits.CERTIFICATE_BACKDATE_MS,
      notAfterMs: nowMs + limits.CA_CERTIFICATE_VALIDITY_MS,
      publicKeyDer,
      extensions: [
        basicConstraints(true),
        keyUsage(true),
        subjectNames({ uris: [`spiffe://${trustDomain}`] }),
        uriNameConstraint(trustDomain),
        subjectKeyId(keyIdOf(publicKeyDer)),
      ],
    },
    keys.privateKeyPem,
  );
  return {
    privateKeyPem: keys.privateKeyPem,
    certificatePem: encodePem("CERTIFICATE", der),
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
  const der = writeCertificate(
    {
      serial: randomSerial(options.random),
      subjectDer: nameDer(options.name.slice(0, COMMON_NAME_LENGTH_MAX)),
      issuerDer: ca.subjectDer,
      notBeforeMs: nowMs - limits.CERTIFICATE_BACKDATE_MS,
      notAfterMs: Math.min(nowMs + options.validityMs, ca.notAfterMs),
      publicKeyDer: checkPublicKey(options.publicKeyDer),
      extensions: [
        basicConstraints(false),
        keyUsage(false),
        extendedKeyUsage([OID.clientAuth, OID.serverAuth]),
        subjectNames({ ...options, uris: [spiffeId] }),
        authorityKeyId(ca.subjectKeyId ?? keyIdOf(ca.publicKeyDer)),
      ],
    },
    options.ca.privateKeyPem,
  );
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
  const wrongName = options.dnsNames?.find((name) => !DNS_NAME.test(name));
  if (wrongName !== undefined) {
    throw new MeshError("MESH_BAD_REQUEST", {
      message: `${JSON.stringify(wrongName.slice(0, 80))} is not a host name`,
    });
  }
  if (nodeIdOfPublicKey(options.publicKeyDer) === nodeIdOfPublicKey(ca.publicKeyDer)) {
    throw new MeshError("MESH_CERT_INVALID", { message: "the key is the CA's own" });
  }
}

/** 128 random bits; the first is set, so that the length never tells anything. */
function randomSerial(random: Random): Uint8Array {
  const bytes = Uint8Array.from(random.bytes(16));
  bytes[0] = (bytes[0] ?? 0) | 0x80;
  return bytes;
}
