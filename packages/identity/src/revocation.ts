/**
 * Signed lists of revoked keys. A list is whole, not a change: whoever holds one with a newer epoch
 * forgets the older. What is revoked is a key, so every certificate of it falls, also future ones.
 */
import { canonicalJson, limits, MeshError, type NodeId, type TrustDomain } from "@hearthmesh/core";
import { parseCertificate } from "./certificate-parse.js";
import { signerOf, verifySignature } from "./keys.js";
import { decodePem } from "./pem.js";
import type { RevocationEntry, RevocationList, TrustBundle } from "./types.js";

export interface RevocationListContent {
  trustDomain: TrustDomain;
  /** Greater than the epoch of every earlier list of the domain. */
  epoch: number;
  issuedAtMs: number;
  entries: readonly RevocationEntry[];
}

/**
 * A list signed by the member's CA key (PKCS#8, PEM). `MESH_LIMIT` over `REVOCATIONS_MAX`
 * entries.
 */
export function signRevocationList(
  content: RevocationListContent,
  caPrivateKeyPem: string,
): RevocationList {
  if (content.entries.length > limits.REVOCATIONS_MAX) {
    throw new MeshError("MESH_LIMIT", {
      message: `a revocation list has at most ${limits.REVOCATIONS_MAX} entries`,
    });
  }
  const unsigned = { v: 1 as const, ...content };
  const signature = signerOf(caPrivateKeyPem)(signedBytes(unsigned));
  return { ...unsigned, signature: Buffer.from(signature).toString("base64") };
}

/**
 * The list when a CA of the bundle signed it and it is of the bundle's domain. Throws
 * `MESH_CERT_INVALID` when it is not a list, `MESH_CERT_UNTRUSTED` when it is not this domain's.
 */
export function verifyRevocationList(list: unknown, bundle: TrustBundle): RevocationList {
  if (!isList(list)) {
    throw new MeshError("MESH_CERT_INVALID", { message: "the revocation list is malformed" });
  }
  const { signature, ...unsigned } = list;
  const bytes = signedBytes(unsigned);
  const signatureBytes = Buffer.from(signature, "base64");
  const signed = bundle.caCertificatesPem.some((pem) => {
    const { publicKeyDer } = parseCertificate(decodePem("CERTIFICATE", pem));
    return verifySignature(publicKeyDer, bytes, signatureBytes);
  });
  if (!signed || list.trustDomain !== bundle.trustDomain) {
    throw new MeshError("MESH_CERT_UNTRUSTED", {
      message: `the revocation list was not signed by the CA of ${bundle.trustDomain}`,
    });
  }
  return list;
}

/** The entry of a key, if it is revoked. */
export function findRevocation(list: RevocationList, nodeId: NodeId): RevocationEntry | undefined {
  return list.entries.find((entry) => entry.nodeId === nodeId);
}

export function isRevoked(list: RevocationList, nodeId: NodeId): boolean {
  return findRevocation(list, nodeId) !== undefined;
}

function signedBytes(unsigned: Omit<RevocationList, "signature">): Uint8Array {
  return Buffer.from(`hearthmesh-revocations-v1\n${canonicalJson(unsigned)}`, "utf8");
}

function isList(value: unknown): value is RevocationList {
  const list = (value ?? {}) as Partial<RevocationList>;
  return (
    list.v === 1 &&
    typeof list.trustDomain === "string" &&
    Number.isSafeInteger(list.epoch) &&
    Number.isSafeInteger(list.issuedAtMs) &&
    typeof list.signature === "string" &&
    Array.isArray(list.entries) &&
    list.entries.length <= limits.REVOCATIONS_MAX &&
    list.entries.every(isEntry)
  );
}

function isEntry(value: unknown): value is RevocationEntry {
  const entry = (value ?? {}) as Partial<RevocationEntry>;
  return (
    typeof entry.nodeId === "string" &&
    typeof entry.spiffeId === "string" &&
    typeof entry.reason === "string" &&
    Number.isSafeInteger(entry.atMs)
  );
}
