/**
 * Key pairs of nodes, people and CAs: ECDSA on P-256 with SHA-256, the one algorithm that is
 * allowed. A key's id is the hash of its SubjectPublicKeyInfo, so there must be exactly one such
 * encoding of every key: a second one would be a second id, with which a revoked key came back.
 */
import {
  createECDH,
  createHash,
  createPrivateKey,
  createPublicKey,
  generateKeyPairSync,
  type KeyObject,
  sign,
  verify,
} from "node:crypto";
import { MeshError, type NodeId, type Random, toBase32 } from "@hearthmesh/core";
import type { KeyPairPem } from "./types.js";

/** SPKI of an uncompressed P-256 point up to the 64 bytes of its coordinates (RFC 5480). */
const SPKI_PREFIX = Buffer.from("3059301306072a8648ce3d020106082a8648ce3d03010703420004", "hex");
const SPKI_BYTES = SPKI_PREFIX.length + 64;
/** Draws of a scalar out of range have a chance of 2^-32 each; four in a row mean broken input. */
const SCALAR_DRAWS_MAX = 4;

/**
 * A new P-256 key pair as PKCS#8 and SPKI in PEM. With `random` the key is drawn from it
 * (rejection sampling, FIPS 186-5 A.2.2), so that a simulation has the same keys for the same
 * seed; without, it comes from the operating system.
 */
export function generateKeyPair(random?: Random): KeyPairPem {
  const privateKey = random === undefined ? systemKey() : drawnKey(random);
  const publicKey = createPublicKey(privateKey);
  return {
    privateKeyPem: privateKey.export({ type: "pkcs8", format: "pem" }).toString(),
    publicKeyPem: publicKey.export({ type: "spki", format: "pem" }).toString(),
    nodeId: nodeIdOfPublicKey(publicKey.export({ type: "spki", format: "der" })),
  };
}

function systemKey(): KeyObject {
  return generateKeyPairSync("ec", { namedCurve: "P-256" }).privateKey;
}

function drawnKey(random: Random): KeyObject {
  for (let draw = 0; draw < SCALAR_DRAWS_MAX; draw++) {
    const key = keyOfScalar(random.bytes(32));
    if (key !== undefined) return key;
  }
  throw new MeshError("MESH_INTERNAL", { message: "the source of randomness gives no usable key" });
}

/** Undefined for zero and for what is not below the order of the curve. */
function keyOfScalar(bytes: Uint8Array): KeyObject | undefined {
  const scalar = Buffer.from(bytes);
  const exchange = createECDH("prime256v1");
  try {
    exchange.setPrivateKey(scalar);
  } catch {
    return undefined;
  }
  const point = exchange.getPublicKey();
  return createPrivateKey({
    format: "jwk",
    key: {
      kty: "EC",
      crv: "P-256",
      d: scalar.toString("base64url"),
      x: point.subarray(1, 33).toString("base64url"),
      y: point.subarray(33).toString("base64url"),
    },
  });
}

/** The 32 bytes that a private key is: all that has to be kept of it. `MESH_CERT_INVALID`. */
export function scalarOfKey(privateKeyPem: string): Uint8Array {
  publicKeyDerOf(privateKeyPem);
  const { d } = createPrivateKey(privateKeyPem).export({ format: "jwk" });
  return Buffer.from(d ?? "", "base64url");
}

/** The reverse of `scalarOfKey`, as PKCS#8 in PEM. `MESH_CERT_INVALID` when it is no key. */
export function keyPemOfScalar(scalar: Uint8Array): string {
  const key = scalar.length === 32 ? keyOfScalar(scalar) : undefined;
  if (key === undefined) {
    throw new MeshError("MESH_CERT_INVALID", { message: "the bytes are no P-256 key" });
  }
  return key.export({ type: "pkcs8", format: "pem" }).toString();
}

/**
 * The public key (SPKI, DER) of a private or public key in PEM. `MESH_CERT_INVALID` if
 * unreadable.
 */
export function publicKeyDerOf(pem: string): Uint8Array {
  try {
    return checkPublicKey(createPublicKey(pem).export({ type: "spki", format: "der" }));
  } catch (cause) {
    throw new MeshError("MESH_CERT_INVALID", { message: "the key is not a P-256 key", cause });
  }
}

/**
 * Returns the key when it is a P-256 point in the one encoding that we accept, else throws
 * `MESH_CERT_INVALID`. Compressed points, other curves and points off the curve are refused.
 */
export function checkPublicKey(spkiDer: Uint8Array): Uint8Array {
  toKeyObject(spkiDer);
  return spkiDer;
}

/** The key, ready for `verify`. Same errors as `checkPublicKey`. */
export function toKeyObject(spkiDer: Uint8Array): KeyObject {
  const bytes = Buffer.from(spkiDer);
  if (bytes.length !== SPKI_BYTES || !bytes.subarray(0, SPKI_PREFIX.length).equals(SPKI_PREFIX)) {
    throw new MeshError("MESH_CERT_INVALID", {
      message: "the public key is not an uncompressed P-256 key",
    });
  }
  try {
    return createPublicKey({ key: bytes, format: "der", type: "spki" });
  } catch (cause) {
    throw new MeshError("MESH_CERT_INVALID", { message: "the public key is not valid", cause });
  }
}

/** 52 characters: base32 of SHA-256 of the public key (SPKI, DER). */
export function nodeIdOfPublicKey(spkiDer: Uint8Array): NodeId {
  return toBase32(createHash("sha256").update(spkiDer).digest()) as NodeId;
}

/** A function that signs bytes: ECDSA P-256 with SHA-256, 64 bytes `r | s` (IEEE P1363). */
export function signerOf(privateKeyPem: string): (bytes: Uint8Array) => Uint8Array {
  const key = createPrivateKey(privateKeyPem);
  return (bytes) => sign("sha256", bytes, { key, dsaEncoding: "ieee-p1363" });
}

/** Whether `signature` (64 bytes, IEEE P1363) is this key's over `bytes`. False for a bad key. */
export function verifySignature(
  spkiDer: Uint8Array,
  bytes: Uint8Array,
  signature: Uint8Array,
): boolean {
  if (signature.length !== 64) return false;
  try {
    const key = toKeyObject(spkiDer);
    return verify("sha256", bytes, { key, dsaEncoding: "ieee-p1363" }, signature);
  } catch {
    return false;
  }
}
