/** Node ids and signatures. Keys are Ed25519 (RFC 8032) or ECDSA P-256 (FIPS 186-5). */
import { createHash, createPublicKey, type KeyObject, sign, verify } from "node:crypto";
import { QWormholeError } from "./errors.js";
import type { LinkIdentity } from "./link.js";

const BASE32 = "abcdefghijklmnopqrstuvwxyz234567";

/** 52 characters: RFC 4648 base32, lower case, no padding, of SHA-256 of the SPKI in DER. */
export function nodeIdOfPublicKey(publicKey: Uint8Array): string {
  const digest = createHash("sha256").update(publicKey).digest();
  let text = "";
  let bits = 0;
  let value = 0;
  for (const byte of digest) {
    value = ((value << 8) | byte) & 0xfff;
    bits += 8;
    while (bits >= 5) {
      bits -= 5;
      text += BASE32[(value >>> bits) & 31];
    }
  }
  return bits > 0 ? text + BASE32[(value << (5 - bits)) & 31] : text;
}

/**
 * Reads a public key and insists on the one standard encoding, so that one key has one node id.
 * Throws `QW_KEY_UNSUPPORTED`.
 */
export function readPublicKey(publicKey: Uint8Array): KeyObject {
  let key: KeyObject;
  try {
    key = createPublicKey({ key: Buffer.from(publicKey), format: "der", type: "spki" });
  } catch (cause) {
    throw new QWormholeError("QW_KEY_UNSUPPORTED", { cause });
  }
  if (!isSupported(key) || !key.export({ format: "der", type: "spki" }).equals(publicKey)) {
    throw new QWormholeError("QW_KEY_UNSUPPORTED");
  }
  return key;
}

function isSupported(key: KeyObject): boolean {
  if (key.asymmetricKeyType === "ed25519") return true;
  return key.asymmetricKeyType === "ec" && key.asymmetricKeyDetails?.namedCurve === "prime256v1";
}

export function verifySignature(key: KeyObject, bytes: Uint8Array, signature: Uint8Array): boolean {
  if (signature.length !== 64) return false;
  if (key.asymmetricKeyType === "ed25519") return verify(null, bytes, key, signature);
  return verify("sha256", bytes, { key, dsaEncoding: "ieee-p1363" }, signature);
}

/** A link identity from a private key that lives in this process. Throws `QW_KEY_UNSUPPORTED`. */
export function linkIdentityOf(privateKey: KeyObject): LinkIdentity {
  const publicKey = createPublicKey(privateKey).export({ format: "der", type: "spki" });
  readPublicKey(publicKey);
  const isEd25519 = privateKey.asymmetricKeyType === "ed25519";
  return {
    publicKey,
    sign: (bytes) =>
      isEd25519
        ? sign(null, bytes, privateKey)
        : sign("sha256", bytes, { key: privateKey, dsaEncoding: "ieee-p1363" }),
  };
}
