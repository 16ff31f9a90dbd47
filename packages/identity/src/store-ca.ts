/**
 * The store CA: the one authority that the etcd of a member trusts. It has a key of its own and
 * signs itself, because the member's CA has path length 0: an authority below it would be refused
 * by every verifier that follows RFC 5280 (4.2.1.9). So no certificate of the member's CA, and none
 * of another member, ever opens the store; and a stolen store key signs nothing but the store's.
 *
 * CA: P-256, path length 0, subject `OU=store, CN=<member>`, URI name `spiffe://<domain>/store`.
 * Leaf: one node's, for both sides of TLS, because etcd is client and server to its peers.
 */
import { type Clock, MeshError, parseMemberId, type Random } from "@hearthmesh/core";
import {
  buildAuthority,
  buildLeaf,
  checkReachableNames,
  type KeyAndCertificate,
} from "./certificate-build.js";
import { parseCertificate } from "./certificate-parse.js";
import { decodePem, encodePem } from "./pem.js";
import { checkTrustDomain } from "./spiffe.js";

/** Every coordinator of the member has both. */
export type StoreCa = KeyAndCertificate;

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
  const { clock, random } = options;
  return buildAuthority({
    commonName: memberId,
    organizationalUnit: "store",
    uri: `spiffe://${trustDomain}/store`,
    signsRevocationLists: false,
    clock,
    random,
  });
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
  const ca = parseCertificate(decodePem("CERTIFICATE", options.ca.certificatePem));
  if (options.clock.nowMs() >= ca.notAfterMs) {
    throw new MeshError("MESH_CERT_EXPIRED", { message: "the CA of the store has expired" });
  }
  checkReachableNames(options);
  const der = await buildLeaf({
    ...options,
    ca,
    caPrivateKeyPem: options.ca.privateKeyPem,
    organizationalUnit: "store member",
    commonName: options.name,
    uris: [],
  });
  return encodePem("CERTIFICATE", der);
}
