/**
 * What every certificate of ours is built from: authorities that sign themselves, and leaves for
 * both sides of TLS. Who may get which one is decided by `member-ca.ts` and `store-ca.ts`.
 */
import { isIP, isIPv6 } from "node:net";
import { type Clock, limits, MeshError, type Random } from "@hearthmesh/core";
import type { ParsedCertificate } from "./certificate-parse.js";
import { checkPublicKey, generateKeyPair, publicKeyDerOf } from "./keys.js";
import { encodePem } from "./pem.js";

/** Only its type: the library is loaded when a certificate is written, see `x509.ts`. */
type X509 = typeof import("./x509.js");

/** As X.520 limits a common name. */
const COMMON_NAME_LENGTH_MAX = 64;
const DNS_NAME = /^[a-z0-9_](?:[a-z0-9._-]{0,251}[a-z0-9_])?$/i;

/** Both PEM; the private key is PKCS#8. */
export interface KeyAndCertificate {
  readonly privateKeyPem: string;
  readonly certificatePem: string;
}

export interface AuthorityPlan {
  /** Of the subject, which is the issuer too. */
  readonly commonName: string;
  readonly organizationalUnit?: string;
  /** Its one name. */
  readonly uri: string;
  readonly signsRevocationLists: boolean;
  /** A key that is there already, in PEM, instead of a new one. */
  readonly privateKeyPem?: string | undefined;
  /** Further extensions, behind the name. */
  readonly extensions?: (x509: X509) => InstanceType<X509["Extension"]>[];
  readonly clock: Clock;
  readonly random: Random;
}

/** A new authority with path length 0. Its key is drawn from `random` unless the plan has one. */
export async function buildAuthority(plan: AuthorityPlan): Promise<KeyAndCertificate> {
  const { commonName, organizationalUnit, uri, clock, random } = plan;
  const privateKeyPem = plan.privateKeyPem ?? generateKeyPair(random).privateKeyPem;
  const publicKey = Buffer.from(publicKeyDerOf(privateKeyPem));
  const nowMs = clock.nowMs();
  const x509 = await import("./x509.js");
  const { keyCertSign, cRLSign } = x509.KeyUsageFlags;
  const unit = organizationalUnit === undefined ? [] : [{ OU: [organizationalUnit] }];
  const subject = [...unit, { CN: [commonName] }];
  const certificate = await x509.X509CertificateGenerator.create({
    serialNumber: randomSerial(random),
    subject,
    issuer: subject,
    notBefore: new Date(nowMs - limits.CERTIFICATE_BACKDATE_MS),
    notAfter: new Date(nowMs + limits.CA_CERTIFICATE_VALIDITY_MS),
    publicKey,
    signingKey: await x509.importSigningKey(privateKeyPem),
    signingAlgorithm: x509.SIGNING_ALGORITHM,
    extensions: [
      new x509.BasicConstraintsExtension(true, 0, true),
      new x509.KeyUsagesExtension(
        plan.signsRevocationLists ? keyCertSign | cRLSign : keyCertSign,
        true,
      ),
      new x509.SubjectAlternativeNameExtension([{ type: "url", value: uri }]),
      ...(plan.extensions?.(x509) ?? []),
      await x509.SubjectKeyIdentifierExtension.create(publicKey),
    ],
  });
  const certificatePem = encodePem("CERTIFICATE", new Uint8Array(certificate.rawData));
  return { privateKeyPem, certificatePem };
}

export interface ReachableNames {
  readonly dnsNames?: readonly string[] | undefined;
  readonly ipAddresses?: readonly string[] | undefined;
}

export interface LeafPlan extends ReachableNames {
  readonly ca: ParsedCertificate;
  readonly caPrivateKeyPem: string;
  readonly organizationalUnit: string;
  /** Cut to what a common name may have. */
  readonly commonName: string;
  readonly uris: readonly string[];
  /** SPKI, DER. */
  readonly publicKeyDer: Uint8Array;
  readonly validityMs: number;
  readonly clock: Clock;
  readonly random: Random;
}

/**
 * A certificate (DER) for both sides of TLS, from a little in the past and never longer than the
 * authority. `MESH_CERT_INVALID` for a key that is not allowed; names were checked before.
 */
export async function buildLeaf(plan: LeafPlan): Promise<Uint8Array> {
  const { ca, clock, random } = plan;
  const nowMs = clock.nowMs();
  const publicKey = Buffer.from(checkPublicKey(plan.publicKeyDer));
  const x509 = await import("./x509.js");
  const commonName = plan.commonName.slice(0, COMMON_NAME_LENGTH_MAX);
  const certificate = await x509.X509CertificateGenerator.create({
    serialNumber: randomSerial(random),
    subject: [{ OU: [plan.organizationalUnit] }, { CN: [commonName] }],
    issuer: new x509.Name(Buffer.from(ca.subjectDer)),
    notBefore: new Date(nowMs - limits.CERTIFICATE_BACKDATE_MS),
    notAfter: new Date(Math.min(nowMs + plan.validityMs, ca.notAfterMs)),
    publicKey,
    signingKey: await x509.importSigningKey(plan.caPrivateKeyPem),
    signingAlgorithm: x509.SIGNING_ALGORITHM,
    extensions: [
      new x509.BasicConstraintsExtension(false, undefined, true),
      new x509.KeyUsagesExtension(x509.KeyUsageFlags.digitalSignature, true),
      new x509.ExtendedKeyUsageExtension([
        x509.ExtendedKeyUsage.clientAuth,
        x509.ExtendedKeyUsage.serverAuth,
      ]),
      ...subjectNames(x509, plan),
      await authorityKeyId(x509, ca),
    ],
  });
  return new Uint8Array(certificate.rawData);
}

/** `MESH_BAD_REQUEST` that names the first one that is no host name or address. */
export function checkReachableNames({ dnsNames = [], ipAddresses = [] }: ReachableNames): void {
  const wrongName = dnsNames.find((name) => !DNS_NAME.test(name));
  // An address with a zone means something on one machine only.
  const wrongAddress = ipAddresses.find((address) => isIP(address) === 0 || address.includes("%"));
  const wrong = wrongName ?? wrongAddress;
  if (wrong === undefined) return;
  throw new MeshError("MESH_BAD_REQUEST", {
    message: `${JSON.stringify(wrong.slice(0, 80))} is not a host name or address`,
  });
}

function subjectNames(x509: X509, { uris, dnsNames = [], ipAddresses = [] }: LeafPlan) {
  const names = [
    ...uris.map((value) => ({ type: "url" as const, value })),
    ...dnsNames.map((value) => ({ type: "dns" as const, value })),
    ...ipAddresses.map((address) => ({
      type: "ip" as const,
      value: isIPv6(address) ? withoutDots(address) : address,
    })),
  ];
  return names.length === 0 ? [] : [new x509.SubjectAlternativeNameExtension(names)];
}

/** The library takes `::ffff:10.0.0.1` for another address; a URL spells it in hexadecimal. */
function withoutDots(ipv6Address: string): string {
  return new URL(`http://[${ipv6Address}]`).hostname.slice(1, -1);
}

/** Names the CA's key as the CA's own certificate does; by its hash when that names none. */
async function authorityKeyId(x509: X509, ca: ParsedCertificate) {
  const { AuthorityKeyIdentifierExtension: AuthorityKeyId } = x509;
  if (ca.subjectKeyId === undefined) return AuthorityKeyId.create(Buffer.from(ca.publicKeyDer));
  return new AuthorityKeyId(Buffer.from(ca.subjectKeyId).toString("hex"), false);
}

/** 128 random bits; the first is set, so that the length never tells anything. */
function randomSerial(random: Random): string {
  const bytes = Buffer.from(random.bytes(16));
  bytes[0] = (bytes[0] ?? 0) | 0x80;
  return bytes.toString("hex");
}
