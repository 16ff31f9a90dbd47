/**
 * How a node proves to another mesh who it is. It is asked with a fresh nonce and answers with what
 * it says about itself, its certificate, its CA, and a signature by its own key over
 *
 *     hearthmesh-introduction-v1 | nonce | canonical JSON of the answer without the signature
 *
 * (lines joined by line feeds). Nothing stands for the CA but people: they compare the words of the
 * fingerprint. From the first time on the key is pinned.
 */
import {
  canonicalJson,
  limits,
  type MemberId,
  MeshError,
  type NodeId,
  type TrustDomain,
} from "@hearthmesh/core";
import {
  createVerifier,
  decodePem,
  describeMemberCa,
  fingerprintWords,
  parseCertificate,
  verifySignature,
} from "@hearthmesh/identity";

/** 128 bits of base64url at least. */
export const INTRODUCTION_NONCE = /^[A-Za-z0-9_-]{22,64}$/;
/** Bytes of one certificate in PEM; ours have about 1 KiB. */
const CERTIFICATE_PEM_LENGTH_MAX = 8 * 1024;
const SHORT_TEXT_LENGTH_MAX = 64;
const LONG_TEXT_LENGTH_MAX = 253;

/** What a node says about itself. */
export interface NodeIdentityClaim {
  readonly v: 1;
  readonly nodeId: NodeId;
  readonly name: string;
  readonly memberId: MemberId;
  readonly trustDomain: TrustDomain;
  readonly roles: readonly string[];
  readonly capabilities: readonly string[];
  readonly version: string;
  readonly caCertificatePem: string;
  readonly certificatePem: string;
  /** `host:port`, best first. */
  readonly linkAddresses: readonly string[];
  /** Four words that stand for the node's key. */
  readonly fingerprint: string;
}

export interface SignedNodeIdentity extends NodeIdentityClaim {
  /** Base64 of 64 bytes, ECDSA P-256 with SHA-256 (IEEE P1363). */
  readonly signature: string;
}

/** The words for a node's id, which is the hash of its key. */
export function nodeFingerprint(nodeId: NodeId | string): string {
  return fingerprintWords(Buffer.from(nodeId, "utf8"));
}

/** `sign` is by the node's own key. */
export function signNodeIdentity(
  claim: NodeIdentityClaim,
  nonce: string,
  sign: (bytes: Uint8Array) => Uint8Array,
): SignedNodeIdentity {
  const signature = Buffer.from(sign(messageOf(claim, nonce))).toString("base64");
  return { ...claim, signature };
}

/**
 * The claim, when its fields are of their form and it proves itself: the certificate is of that CA,
 * for that key, in its time, and the key signed this nonce. `MESH_INTRODUCTION_FAILED` says what is
 * wrong, and never repeats what the other side wrote.
 */
export function verifyNodeIdentity(
  answer: unknown,
  nonce: string,
  nowMs: number,
): NodeIdentityClaim {
  const { claim, signature } = readAnswer(answer);
  const principal = checked("its certificate is not valid", () => {
    const leaf = decodePem("CERTIFICATE", claim.certificatePem);
    const caCertificatesPem = [claim.caCertificatePem];
    const bundle = { trustDomain: claim.trustDomain, sequence: 1, caCertificatesPem };
    return { ...createVerifier(bundle).verify([leaf], { nowMs }), leaf };
  });
  const ca = checked("its CA is not valid", () => describeMemberCa(claim.caCertificatePem));
  if (ca.memberId !== claim.memberId || ca.trustDomain !== claim.trustDomain) {
    throw failed("its CA is that of another member");
  }
  if (principal.kind === "person") throw failed("its certificate is a person's, not a node's");
  if (principal.nodeId !== claim.nodeId || principal.name !== claim.name) {
    throw failed("its certificate is for another node");
  }
  if (claim.fingerprint !== nodeFingerprint(claim.nodeId)) {
    throw failed("its fingerprint is not that of its key");
  }
  const { publicKeyDer } = parseCertificate(principal.leaf);
  if (!verifySignature(publicKeyDer, messageOf(claim, nonce), signature)) {
    throw failed("its signature is not valid: it does not have the key of its certificate");
  }
  return claim;
}

function messageOf(claim: NodeIdentityClaim, nonce: string): Uint8Array {
  return Buffer.from(`hearthmesh-introduction-v1\n${nonce}\n${canonicalJson(claim)}`, "utf8");
}

function readAnswer(answer: unknown): { claim: NodeIdentityClaim; signature: Uint8Array } {
  const fields = (answer ?? {}) as Record<string, unknown>;
  if (fields.v !== 1) throw failed("the answer is not that of a node of Hearthmesh");
  const text = (name: string, pattern: RegExp, lengthMax = SHORT_TEXT_LENGTH_MAX): string => {
    const value = fields[name];
    if (typeof value === "string" && value.length <= lengthMax && pattern.test(value)) return value;
    throw failed(`the field ${name} of the answer is not of its form`);
  };
  const list = (name: string, pattern: RegExp, max: number, lengthMax: number): string[] => {
    const value = fields[name];
    const isFine = (item: unknown) =>
      typeof item === "string" && item.length <= lengthMax && pattern.test(item);
    if (Array.isArray(value) && value.length <= max && value.every(isFine)) return [...value];
    throw failed(`the field ${name} of the answer is not of its form`);
  };
  const pem = (name: string) =>
    text(name, /^-----BEGIN CERTIFICATE-----[\w+/=\s-]+$/, CERTIFICATE_PEM_LENGTH_MAX);
  const claim: NodeIdentityClaim = {
    v: 1,
    nodeId: text("nodeId", /^[a-z2-7]{52}$/) as NodeId,
    name: text("name", /^[a-z0-9](?:[a-z0-9-]*[a-z0-9])?$/),
    memberId: text("memberId", /^[a-z0-9](?:[a-z0-9-]*[a-z0-9])?$/) as MemberId,
    trustDomain: text("trustDomain", /^[a-z0-9.-]+$/, LONG_TEXT_LENGTH_MAX) as TrustDomain,
    roles: list("roles", /^[a-z]+$/, 8, 32),
    capabilities: list(
      "capabilities",
      /^[a-z0-9][a-z0-9._-]*$/,
      limits.CAPABILITIES_MAX,
      limits.CAPABILITY_BYTES_MAX,
    ),
    version: text("version", /^[\w.+-]+$/),
    caCertificatePem: pem("caCertificatePem"),
    certificatePem: pem("certificatePem"),
    linkAddresses: list(
      "linkAddresses",
      /^[\w.:[\]%-]+$/,
      limits.NODE_ADDRESSES_MAX,
      limits.NODE_ADDRESS_BYTES_MAX,
    ),
    fingerprint: text("fingerprint", /^[a-z-]+$/),
  };
  const signature = Buffer.from(text("signature", /^[A-Za-z0-9+/]{86}==$/, 88), "base64");
  return { claim, signature };
}

function checked<Value>(problem: string, read: () => Value): Value {
  try {
    return read();
  } catch (cause) {
    const { code, message } = cause as MeshError;
    // Times of a certificate help; other texts could repeat what the other side wrote.
    const why = code === "MESH_CERT_EXPIRED" || code === "MESH_CERT_INVALID" ? `: ${message}` : "";
    throw new MeshError("MESH_INTRODUCTION_FAILED", {
      message: `the node did not prove who it is: ${problem}${why}`,
      cause,
    });
  }
}

function failed(problem: string): MeshError {
  return new MeshError("MESH_INTRODUCTION_FAILED", {
    message: `the node did not prove who it is: ${problem}`,
  });
}
