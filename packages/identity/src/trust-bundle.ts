/**
 * What one member says of itself to another: its CAs, where its coordinators are, and which of its
 * keys are revoked. Signed by its CA key, and believed only when a CA that is known for this very
 * domain signed it; the first time, when the CA is the one that the code pinned. A bundle is whole,
 * not a change, and it ends: a member that is not heard of for a week is not believed any longer.
 *
 * The sequence grows with every bundle. It is also the time in milliseconds at which the bundle was
 * made, as long as the clock goes forward: a coordinator that was restored from an older backup
 * then does not fall behind what its peers have seen.
 */
import {
  canonicalJson,
  limits,
  type MemberId,
  MeshError,
  parseMemberId,
  parseNodeId,
  parseNodeName,
  type TrustDomain,
} from "@hearthmesh/core";
import { caPinOf } from "./ca-pin.js";
import { parseCertificate } from "./certificate-parse.js";
import { parseEndpoint } from "./endpoint.js";
import { fingerprintWords } from "./fingerprint.js";
import { nodeIdOfPublicKey, signerOf, verifySignature } from "./keys.js";
import { describeMemberCa } from "./member-ca.js";
import { decodePem } from "./pem.js";
import { verifyRevocationList } from "./revocation.js";
import { checkTrustDomain } from "./spiffe.js";
import type { PeerContact, RevocationList, SignedTrustBundle } from "./types.js";

/** CAs of one member: the present one, and those that it changes to or comes from. */
const BUNDLE_AUTHORITIES_MAX = 4;
const NAME = "hearthmesh-trust-bundle-v1\n";
const CONTACT_KINDS = ["apiAddresses", "linkAddresses", "enrolmentAddresses"] as const;

export interface TrustBundleContent {
  trustDomain: TrustDomain;
  memberId: MemberId;
  sequence: number;
  issuedAtMs: number;
  caCertificatesPem: readonly string[];
  coordinators: readonly PeerContact[];
  revocations: RevocationList;
}

/** A bundle signed by the member's CA key (PKCS#8, PEM), which is that of its first CA. */
export function signTrustBundle(
  content: TrustBundleContent,
  caPrivateKeyPem: string,
): SignedTrustBundle {
  const { trustDomain, memberId, sequence, issuedAtMs, revocations } = content;
  const { caCertificatesPem, coordinators } = content;
  const unsigned = {
    v: 1 as const,
    trustDomain,
    memberId,
    sequence,
    issuedAtMs,
    notAfterMs: issuedAtMs + limits.PEER_BUNDLE_VALIDITY_MS,
    caCertificatesPem,
    coordinators,
    revocations,
  };
  const signature = signerOf(caPrivateKeyPem)(signedBytes(unsigned));
  return { ...unsigned, signature: Buffer.from(signature).toString("base64") };
}

/** By what a bundle is judged: the CAs known for its domain, or the pin of a code. */
export type BundleAnchor =
  | { readonly trustDomain: TrustDomain; readonly caCertificatesPem: readonly string[] }
  | { readonly caPin: string };

/**
 * The bundle, when it is well-formed, consistent, still valid, and signed by an anchored CA key.
 * Throws `MESH_BUNDLE_INVALID` with what is wrong.
 */
export function verifyTrustBundle(
  value: unknown,
  anchor: BundleAnchor,
  nowMs: number,
): SignedTrustBundle {
  const bundle = readBundle(value);
  for (const pem of bundle.caCertificatesPem) checkAuthority(pem, bundle);
  const { signature, ...unsigned } = bundle;
  const bytes = signedBytes(unsigned);
  const signatureBytes = Buffer.from(signature, "base64");
  const isSigned = anchorKeys(anchor, bundle).some((key) =>
    verifySignature(key, bytes, signatureBytes),
  );
  if (!isSigned) throw invalid("no CA that is known for this member signed it");
  checkTimes(bundle, nowMs);
  const { trustDomain, sequence, caCertificatesPem } = bundle;
  try {
    verifyRevocationList(bundle.revocations, { trustDomain, sequence, caCertificatesPem });
  } catch (cause) {
    throw invalid(cause instanceof Error ? cause.message : "its list of revoked keys is bad");
  }
  return bundle;
}

/** The bundle of a member that is not known yet, signed by its own first CA. */
export function verifyOwnTrustBundle(value: unknown, nowMs: number): SignedTrustBundle {
  const { trustDomain, caCertificatesPem } = readBundle(value);
  const anchor = { trustDomain, caCertificatesPem: caCertificatesPem.slice(0, 1) };
  return verifyTrustBundle(value, anchor, nowMs);
}

/**
 * Words that the operators of two members compare: the same on both sides, whoever asks, and other
 * words as soon as either CA is another.
 */
export function pairFingerprint(oneCaPem: string, otherCaPem: string): string {
  const keys = [oneCaPem, otherCaPem].map((pem) => nodeIdOfPublicKey(readKey(pem))).sort();
  return fingerprintWords(Buffer.from(`peers\n${keys.join("\n")}`, "utf8"));
}

/** That the holder of a CA key redeems this very code of this very member, and nobody for it. */
export interface PeeringClaim {
  readonly inviteId: string;
  /** Pin of the CA of the member that made the code. */
  readonly caPin: string;
  /** Pin of the CA of the member that takes it. */
  readonly byCaPin: string;
}

/** Signed by the CA key of the member that takes a code. */
export function peeringMessage(claim: PeeringClaim): Uint8Array {
  const { inviteId, caPin, byCaPin } = claim;
  const text = canonicalJson({ inviteId: inviteId.toLowerCase(), caPin, byCaPin });
  return Buffer.from(`hearthmesh-peering-v1\n${text}`, "utf8");
}

function anchorKeys(anchor: BundleAnchor, bundle: SignedTrustBundle): Uint8Array[] {
  if ("caPin" in anchor) {
    // The first alone: it is the one whose words the operators compare.
    const [first = ""] = bundle.caCertificatesPem;
    return caPinOf(first) === anchor.caPin ? [readKey(first)] : [];
  }
  if (anchor.trustDomain !== bundle.trustDomain) {
    throw invalid(`it is of the domain ${bundle.trustDomain}, not of ${anchor.trustDomain}`);
  }
  return anchor.caCertificatesPem.map(readKey);
}

/** A CA of a bundle speaks for the member and domain of the bundle, by its own certificate. */
function checkAuthority(pem: string, bundle: SignedTrustBundle): void {
  let names: ReturnType<typeof describeMemberCa>;
  try {
    names = describeMemberCa(pem);
  } catch (cause) {
    throw invalid(cause instanceof Error ? cause.message : "a CA cannot be read");
  }
  const { memberId, trustDomain } = names;
  if (trustDomain !== bundle.trustDomain || memberId !== bundle.memberId) {
    throw invalid(`one of its CAs speaks for ${memberId} in ${trustDomain}`);
  }
}

function readKey(pem: string): Uint8Array {
  return parseCertificate(decodePem("CERTIFICATE", pem)).publicKeyDer;
}

function checkTimes({ issuedAtMs, notAfterMs }: SignedTrustBundle, nowMs: number): void {
  if (notAfterMs <= nowMs) throw invalid(`it has expired on ${new Date(notAfterMs).toISOString()}`);
  if (notAfterMs - issuedAtMs > limits.PEER_BUNDLE_VALIDITY_MS) throw invalid("it lasts too long");
  if (issuedAtMs > nowMs + limits.CERTIFICATE_BACKDATE_MS) {
    throw invalid("it is from the future; check that the clocks of both members are right");
  }
}

function readBundle(value: unknown): SignedTrustBundle {
  const bundle = (value ?? {}) as Partial<SignedTrustBundle>;
  const { caCertificatesPem, coordinators } = bundle;
  const sizeBytes = Buffer.byteLength(JSON.stringify(value) ?? "");
  if (sizeBytes > limits.PEER_BUNDLE_BYTES_MAX) throw invalid("it is too large");
  const isOfForm =
    bundle.v === 1 &&
    isNatural(bundle.sequence) &&
    isNatural(bundle.issuedAtMs) &&
    isNatural(bundle.notAfterMs) &&
    typeof bundle.signature === "string" &&
    isTextList(caCertificatesPem, BUNDLE_AUTHORITIES_MAX) &&
    caCertificatesPem.length > 0 &&
    Array.isArray(coordinators) &&
    coordinators.length <= limits.PEER_COORDINATORS_MAX;
  if (!isOfForm) throw invalid("it is not of the form of a bundle");
  try {
    parseMemberId(bundle.memberId ?? "");
    checkTrustDomain(bundle.trustDomain ?? "");
    coordinators.forEach(checkContact);
  } catch (cause) {
    throw invalid(cause instanceof Error ? cause.message : "a name in it is bad");
  }
  return bundle as SignedTrustBundle;
}

function checkContact(contact: Partial<PeerContact>): void {
  parseNodeId(contact.nodeId ?? "");
  parseNodeName(contact.name ?? "");
  for (const kind of CONTACT_KINDS) {
    const addresses = contact[kind];
    if (!isTextList(addresses, limits.NODE_ADDRESSES_MAX)) throw invalid("an address is bad");
    addresses.forEach(parseEndpoint);
  }
}

function isNatural(value: unknown): value is number {
  return Number.isSafeInteger(value) && (value as number) >= 0;
}

function isTextList(value: unknown, max: number): value is readonly string[] {
  return (
    Array.isArray(value) && value.length <= max && value.every((one) => typeof one === "string")
  );
}

function signedBytes(unsigned: Omit<SignedTrustBundle, "signature">): Uint8Array {
  return Buffer.from(`${NAME}${canonicalJson(unsigned)}`, "utf8");
}

function invalid(reason: string): MeshError {
  return new MeshError("MESH_BUNDLE_INVALID", {
    message: `the trust bundle is not valid: ${reason}`,
  });
}
