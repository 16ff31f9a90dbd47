/**
 * What a node signs about itself, and the check of it. The signed bytes are, big-endian:
 *
 * | bytes    | what                                                   |
 * |----------|--------------------------------------------------------|
 * | 32       | the text `hearthmesh membership record v1` and a zero  |
 * | 32       | node id: SHA-256 of the public key (SPKI, DER)         |
 * | 1 + 0-63 | length, then name in UTF-8                             |
 * | 1 + 1-128 | length, then address in ASCII                         |
 * | 8        | incarnation, below 2^53                                |
 * | 1        | 1 when the node is leaving, else 0                     |
 * | 2 + 0-512 | length, then meta                                     |
 *
 * Every field has one encoding and a length, so no two records share their bytes; the text keeps
 * the signature from meaning anything in another place where the same key signs.
 *
 * A proof has 64 bytes: Ed25519 (RFC 8032), or ECDSA on P-256 with SHA-256 as `r | s` (IEEE P1363).
 * It is not unique, since ECDSA lets anybody make a second one out of the first: records are told
 * apart by their incarnation and never by the proof.
 */
import { createHash, createPublicKey, verify } from "node:crypto";
import { fromBase32, MeshError, type NodeId, parseNodeId, toBase32 } from "@hearthmesh/core";
import {
  ADDRESS_BYTES_MAX,
  NODE_META_BYTES_MAX,
  NODE_NAME_BYTES_MAX,
  PROOF_BYTES_MAX,
} from "./limits.js";
import type { NodeRecord } from "./swim/messages.js";

/** A record before it is signed. */
export type UnsignedNodeRecord = Omit<NodeRecord, "proof">;

/** SHA-256 of a public key. */
export const NODE_ID_BYTES = 32;
const DOMAIN = "hearthmesh membership record v1\0";
const SIGNATURE_BYTES = 64;
/**
 * SPKI up to the key itself (RFC 8410, RFC 5480). A key has to have exactly this encoding, for a
 * second one would be a second node id of the same key.
 */
const ED25519_PREFIX = Buffer.from("302a300506032b6570032100", "hex");
const ED25519_SPKI_BYTES = ED25519_PREFIX.length + 32;
const P256_PREFIX = Buffer.from("3059301306072a8648ce3d020106082a8648ce3d03010703420004", "hex");
const P256_SPKI_BYTES = P256_PREFIX.length + 64;
/** Control characters would reach terminals and logs; a lone surrogate has no UTF-8. */
const NAME_REFUSED = /[\p{Cc}\p{Cs}]/u;
const ADDRESS = /^[\x21-\x7e]+$/;

function invalid(message: string): MeshError {
  return new MeshError("MESH_BAD_REQUEST", { message });
}

/**
 * The 32 bytes behind a node id. Throws `MESH_BAD_REQUEST` when it is the text of no such bytes.
 */
export function nodeIdToBytes(nodeId: NodeId): Uint8Array {
  parseNodeId(nodeId);
  // 52 characters carry 260 bits: of the last one only the highest bit counts.
  if (!nodeId.endsWith("a") && !nodeId.endsWith("q")) {
    throw invalid("the node id has stray bits in its last character");
  }
  return fromBase32(nodeId);
}

/** The reverse of `nodeIdToBytes`; `bytes` are exactly 32. */
export function nodeIdFromBytes(bytes: Uint8Array): NodeId {
  if (bytes.length !== NODE_ID_BYTES) throw invalid("a node id has 32 bytes");
  return toBase32(bytes) as NodeId;
}

/** A number that the protocol can carry: an integer from 0 to 2^53 - 1. */
export function checkNumber(what: string, value: number): void {
  if (!Number.isSafeInteger(value) || value < 0) {
    throw invalid(`the ${what} is not an integer from 0 to 2^53 - 1`);
  }
}

/** `host:port` as far as this package looks: ASCII without white space, of a bounded length. */
export function checkAddress(address: string): void {
  if (address.length > ADDRESS_BYTES_MAX || !ADDRESS.test(address)) {
    throw invalid(`an address has 1 to ${ADDRESS_BYTES_MAX} characters of ASCII without spaces`);
  }
}

/** Throws `MESH_BAD_REQUEST` when a field other than the node id is outside its limits. */
export function checkRecordFields(record: UnsignedNodeRecord): void {
  if (Buffer.byteLength(record.name) > NODE_NAME_BYTES_MAX || NAME_REFUSED.test(record.name)) {
    throw invalid(`a node name has up to ${NODE_NAME_BYTES_MAX} bytes, none of control characters`);
  }
  checkAddress(record.address);
  checkNumber("incarnation", record.incarnation);
  if (record.meta.length > NODE_META_BYTES_MAX) {
    throw invalid(`the meta of a node has up to ${NODE_META_BYTES_MAX} bytes`);
  }
}

/** As `checkRecordFields`, with the size of the proof; the proof itself is not verified. */
export function checkSignedRecordFields(record: NodeRecord): void {
  checkRecordFields(record);
  if (record.proof.length > PROOF_BYTES_MAX) {
    throw invalid(`the proof of a record has up to ${PROOF_BYTES_MAX} bytes`);
  }
}

/** The bytes that the proof covers. Throws `MESH_BAD_REQUEST` for a field outside its limits. */
export function recordSigningBytes(record: UnsignedNodeRecord): Uint8Array {
  checkRecordFields(record);
  const name = Buffer.from(record.name, "utf8");
  const address = Buffer.from(record.address, "latin1");
  const incarnation = Buffer.alloc(8);
  incarnation.writeBigUInt64BE(BigInt(record.incarnation));
  return Buffer.concat([
    Buffer.from(DOMAIN, "latin1"),
    nodeIdToBytes(record.nodeId),
    Uint8Array.of(name.length),
    name,
    Uint8Array.of(address.length),
    address,
    incarnation,
    Uint8Array.of(record.isLeaving ? 1 : 0, record.meta.length >>> 8, record.meta.length & 0xff),
    record.meta,
  ]);
}

/**
 * The record with its proof. `sign` gets the bytes of `recordSigningBytes` and returns 64 bytes.
 * Throws `MESH_BAD_REQUEST` for a field outside its limits and for a signature of another size,
 * such as ECDSA in DER, which no other node would accept.
 */
export function signRecord(
  unsigned: UnsignedNodeRecord,
  sign: (bytes: Uint8Array) => Uint8Array,
): NodeRecord {
  const proof = sign(recordSigningBytes(unsigned));
  if (proof.length !== SIGNATURE_BYTES) {
    throw invalid(`a signature has ${SIGNATURE_BYTES} bytes, this one ${proof.length}`);
  }
  const { nodeId, name, address, incarnation, isLeaving } = unsigned;
  const meta = new Uint8Array(unsigned.meta);
  return { nodeId, name, address, incarnation, isLeaving, meta, proof: new Uint8Array(proof) };
}

/**
 * Whether the record is the word of the node that it names: the key (SPKI, DER; Ed25519 or P-256)
 * is the one behind the node id, and the proof is its signature. False, and never an error, for
 * anything else.
 */
export function verifyRecord(record: NodeRecord, publicKeySpki: Uint8Array): boolean {
  if (record.proof.length !== SIGNATURE_BYTES) return false;
  const spki = Buffer.from(publicKeySpki);
  const isEd25519 = hasForm(spki, ED25519_PREFIX, ED25519_SPKI_BYTES);
  if (!isEd25519 && !hasForm(spki, P256_PREFIX, P256_SPKI_BYTES)) return false;
  if (toBase32(createHash("sha256").update(spki).digest()) !== record.nodeId) return false;
  try {
    const bytes = recordSigningBytes(record);
    const key = createPublicKey({ key: spki, format: "der", type: "spki" });
    if (isEd25519) return verify(null, bytes, key, record.proof);
    return verify("sha256", bytes, { key, dsaEncoding: "ieee-p1363" }, record.proof);
  } catch {
    // A field outside its limits, or a point that is not on the curve.
    return false;
  }
}

function hasForm(spki: Buffer, prefix: Buffer, length: number): boolean {
  return spki.length === length && spki.subarray(0, prefix.length).equals(prefix);
}
