/**
 * The store CA: the one authority that the etcd of a member trusts. It has a key of its own and
 * signs itself, because the member's CA has path length 0: an authority below it would be refused
 * by every verifier that follows RFC 5280 (4.2.1.9). So no certificate of the member's CA, and none
 * of another member, ever opens the store; and a stolen store key signs nothing but the store's.
 *
 * CA: P-256, path length 0, subject `OU=store, CN=<member>`, URI name `spiffe://<domain>/store`.
 * Leaf: one node's, for both sides of TLS, because etcd is client and server to its peers.
 */
import { type Clock, limits, MeshError, parseMemberId, type Random } from "@hearthmesh/core";
import { parseCertificate } from "./certificate-parse.js";
import { checkPublicKey, generateKeyPair, publicKeyDerOf } from "./keys.js";
import { checkReachableNames, type MemberCa, randomSerial, withoutDots } from "./member-ca.js";
import { decodePem, encodePem } from "./pem.js";
import { checkTrustDomain } from "./spiffe.js";

const COMMON_NAME_LENGTH_MAX = 64;

/** Both PEM; the private key is PKCS#8. Every coordinator of the member has them. */
export type StoreCa = MemberCa;

export interface CreateStoreCaOptions {
  memberId: string;
  trustDomain: string;
  clock: Clock;
  random: Random;
}

/** A new store CA. Its key is drawn from `random`. `MESH_BAD_REQUEST` for a bad name or domain. */
export async function createStoreCa(options: CreateStoreCaOptions): Promise<StoreCa> {
  const memberId = parseMemberId(options.memberId);
  const trustDomain = checkTrustDomain(options.trustDomain);
  const keys = generateKeyPair(options.random);
  const publicKey = Buffer.from(publicKeyDerOf(keys.publicKeyPem));
  const nowMs = options.clock.nowMs();
  const x509 = await import("./x509.js");
  const subject = [{ OU: ["store"] }, { CN: [memberId] }];
  const certificate = await x509.X509CertificateGenerator.create({
    serialNumber: randomSerial(options.random),
    subject,
    issuer: subject,
    notBefore: new Date(nowMs - limits.CERTIFICATE_BACKDATE_MS),
    notAfter: new Date(nowMs + limits.CA_CERTIFICATE_VALIDITY_MS),
    publicKey,
    signingKey: await x509.importSigningKey(keys.privateKeyPem),
    signingAlgorithm: x509.SIGNING_ALGORITHM,
    extensions: [
      new x509.BasicConstraintsExtension(true, 0, true),
      new x509.KeyUsagesExtension(x509.KeyUsageFlags.keyCertSign, true),
      new x509.SubjectAlternativeNameExtension([
        { type: "url", value: `spiffe://${trustDomain}/store` },
      ]),
      await x509.SubjectKeyIdentifierExtension.create(publicKey),
    ],
  });
  return {
    privateKeyPem: keys.privateKeyPem,
    certificatePem: encodePem("CERTIFICATE", new Uint8Array(certificate.rawData)),
  };
}

export interface IssueStoreCertificateOptions {
  ca: StoreCa;
  /** SPKI, DER. */
  publicKeyDer: Uint8Array;
  /** For people who read the certificate; not looked at. */
  name: string;
  validityMs: number;
  /** None of both for one that only dials: etcd compares the caller's address with them. */
  dnsNames?: readonly string[];
  ipAddresses?: readonly string[];
  clock: Clock;
  random: Random;
}

/**
 * A certificate for one node's part of the store, as PEM. Throws `MESH_CERT_EXPIRED` when the CA is
 * no longer valid, `MESH_CERT_INVALID` for a bad key, `MESH_BAD_REQUEST` for a bad host name.
 */
export async function issueStoreCertificate(
  options: IssueStoreCertificateOptions,
): Promise<string> {
  const { dnsNames = [], ipAddresses = [], clock, random } = options;
  const ca = parseCertificate(decodePem("CERTIFICATE", options.ca.certificatePem));
  const nowMs = clock.nowMs();
  if (nowMs >= ca.notAfterMs) {
    throw new MeshError("MESH_CERT_EXPIRED", { message: "the CA of the store has expired" });
  }
  checkReachableNames({ dnsNames, ipAddresses });
  const x509 = await import("./x509.js");
  const caKey = Buffer.from(ca.publicKeyDer);
  const certificate = await x509.X509CertificateGenerator.create({
    serialNumber: randomSerial(random),
    subject: [{ OU: ["store member"] }, { CN: [options.name.slice(0, COMMON_NAME_LENGTH_MAX)] }],
    issuer: new x509.Name(Buffer.from(ca.subjectDer)),
    notBefore: new Date(nowMs - limits.CERTIFICATE_BACKDATE_MS),
    notAfter: new Date(Math.min(nowMs + options.validityMs, ca.notAfterMs)),
    publicKey: Buffer.from(checkPublicKey(options.publicKeyDer)),
    signingKey: await x509.importSigningKey(options.ca.privateKeyPem),
    signingAlgorithm: x509.SIGNING_ALGORITHM,
    extensions: [
      new x509.BasicConstraintsExtension(false, undefined, true),
      new x509.KeyUsagesExtension(x509.KeyUsageFlags.digitalSignature, true),
      new x509.ExtendedKeyUsageExtension([
        x509.ExtendedKeyUsage.clientAuth,
        x509.ExtendedKeyUsage.serverAuth,
      ]),
      ...hostNames(x509, dnsNames, ipAddresses),
      await x509.AuthorityKeyIdentifierExtension.create(caKey),
    ],
  });
  return encodePem("CERTIFICATE", new Uint8Array(certificate.rawData));
}

function hostNames(
  x509: typeof import("./x509.js"),
  dnsNames: readonly string[],
  ipAddresses: readonly string[],
) {
  if (dnsNames.length + ipAddresses.length === 0) return [];
  return [
    new x509.SubjectAlternativeNameExtension([
      ...dnsNames.map((value) => ({ type: "dns" as const, value })),
      ...ipAddresses.map((address) => ({
        type: "ip" as const,
        value: address.includes(":") ? withoutDots(address) : address,
      })),
    ]),
  ];
}
