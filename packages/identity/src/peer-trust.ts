/**
 * What a node without an authority has to know of the peers of its member: whose certificates are
 * good, and which of their keys are revoked. Signed by the member's CA key like a list of revoked
 * keys; the newest sequence wins.
 */
import {
  canonicalJson,
  limits,
  MeshError,
  type NodeId,
  parseNodeId,
  type TrustDomain,
} from "@hearthmesh/core";
import type { KnownMember } from "./foreign-principal.js";
import { publicKeyDerOf, signerOf, verifySignature } from "./keys.js";
import { describeMemberCa } from "./member-ca.js";
import { checkTrustDomain } from "./spiffe.js";
import type { TrustBundle } from "./types.js";

export interface TrustedPeer extends KnownMember {
  readonly revokedNodeIds: readonly NodeId[];
}

export interface PeerTrustList {
  readonly v: 1;
  /** Of the member that trusts. */
  readonly trustDomain: TrustDomain;
  readonly sequence: number;
  readonly peers: readonly TrustedPeer[];
  /** Base64 ECDSA P-256 (IEEE P1363) over the canonical JSON of the other fields. */
  readonly signature: string;
}

export function signPeerTrustList(
  content: Omit<PeerTrustList, "v" | "signature">,
  caPrivateKeyPem: string,
): PeerTrustList {
  const unsigned = { v: 1 as const, ...content };
  const signature = signerOf(caPrivateKeyPem)(signedBytes(unsigned));
  return { ...unsigned, signature: Buffer.from(signature).toString("base64") };
}

/**
 * The list when the member's own CA signed it. `MESH_CERT_INVALID` when it is not a list,
 * `MESH_CERT_UNTRUSTED` when it is not this member's.
 */
export function verifyPeerTrustList(list: unknown, bundle: TrustBundle): PeerTrustList {
  if (!isList(list)) throw malformed();
  const { signature, ...unsigned } = list;
  const bytes = signedBytes(unsigned);
  const signatureBytes = Buffer.from(signature, "base64");
  const isSigned = bundle.caCertificatesPem.some((pem) =>
    verifySignature(publicKeyDerOf(pem), bytes, signatureBytes),
  );
  if (!isSigned || list.trustDomain !== bundle.trustDomain) {
    throw new MeshError("MESH_CERT_UNTRUSTED", {
      message: `the list of peers was not signed by the CA of ${bundle.trustDomain}`,
    });
  }
  for (const peer of list.peers) checkPeer(peer, bundle.trustDomain);
  return list;
}

function checkPeer(peer: TrustedPeer, ownDomain: TrustDomain): void {
  const domain = checkTrustDomain(peer.trustDomain);
  const isForeignCa = (pem: string) => describeMemberCa(pem).trustDomain === domain;
  if (domain === ownDomain || !peer.caCertificatesPem.every(isForeignCa)) throw malformed();
  for (const nodeId of peer.revokedNodeIds) parseNodeId(nodeId);
}

function isList(value: unknown): value is PeerTrustList {
  const list = (value ?? {}) as Partial<PeerTrustList>;
  return (
    list.v === 1 &&
    typeof list.trustDomain === "string" &&
    Number.isSafeInteger(list.sequence) &&
    typeof list.signature === "string" &&
    Array.isArray(list.peers) &&
    list.peers.length <= limits.PEERS_MAX &&
    list.peers.every(isPeer)
  );
}

function isPeer(value: unknown): value is TrustedPeer {
  const peer = (value ?? {}) as Partial<TrustedPeer>;
  const isTexts = (list: unknown) =>
    Array.isArray(list) && list.every((one) => typeof one === "string");
  return (
    typeof peer.trustDomain === "string" &&
    Number.isSafeInteger(peer.bundleNotAfterMs) &&
    isTexts(peer.caCertificatesPem) &&
    isTexts(peer.revokedNodeIds) &&
    (peer.revokedNodeIds ?? []).length <= limits.REVOCATIONS_MAX
  );
}

function signedBytes(unsigned: Omit<PeerTrustList, "signature">): Uint8Array {
  return Buffer.from(`hearthmesh-peer-trust-v1\n${canonicalJson(unsigned)}`, "utf8");
}

function malformed(): MeshError {
  return new MeshError("MESH_CERT_INVALID", { message: "the list of peers is malformed" });
}
