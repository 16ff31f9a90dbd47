/**
 * The root of a pool as text. A pool belongs to a member, and its root is the public key of that
 * member's CA: base32 of the compressed P-256 point (SEC 1, 2.3.3), 53 characters, exactly one text
 * for each key. The pool's id is a hash of root and name, so the two prove each other.
 */
import { createHash, ECDH } from "node:crypto";
import { fromBase32, MeshError, toBase32 } from "@hearthmesh/core";
import { type ParsedCertificate, parseCertificate } from "./certificate-parse.js";
import { checkPublicKey } from "./keys.js";
import { decodePem } from "./pem.js";

/** SPKI of an uncompressed P-256 point up to its coordinates (RFC 5480). */
const SPKI_PREFIX = Buffer.from("3059301306072a8648ce3d020106082a8648ce3d030107034200", "hex");
const CURVE = "prime256v1";
const ROOT_TEXT = /^[a-z2-7]{53}$/;
const POOL_ID_BYTES = 16;
const PIN_BYTES = 16;

/** 32 hexadecimal digits. */
export const POOL_ID = /^[0-9a-f]{32}$/;
/** What people call a pool; also a network id. Case counts. */
export const POOL_NAME = /^[A-Za-z0-9](?:[A-Za-z0-9._-]{0,61}[A-Za-z0-9])?$/;

/** Of a member's CA certificate in PEM. */
export function poolRootOf(caCertificatePem: string): string {
  return rootText(parseCertificate(decodePem("CERTIFICATE", caCertificatePem)));
}

function rootText({ publicKeyDer }: ParsedCertificate): string {
  const point = Buffer.from(publicKeyDer).subarray(SPKI_PREFIX.length);
  return toBase32(ECDH.convertKey(point, CURVE, undefined, undefined, "compressed") as Buffer);
}

/** The public key (SPKI, DER). `MESH_BAD_REQUEST` when the text is not exactly that of a key. */
export function parsePoolRoot(text: string): Uint8Array {
  const spki = ROOT_TEXT.test(text) ? spkiOf(fromBase32(text)) : undefined;
  if (spki !== undefined && toBase32(compressed(spki)) === text) return checkPublicKey(spki);
  throw new MeshError("MESH_BAD_REQUEST", {
    message: "the text is not the root public key of a pool",
    hint: "Copy it as `mesh pool create` printed it: 53 small letters and digits.",
  });
}

function spkiOf(point: Uint8Array): Uint8Array | undefined {
  try {
    const whole = ECDH.convertKey(point, CURVE, undefined, undefined, "uncompressed") as Buffer;
    return new Uint8Array(Buffer.concat([SPKI_PREFIX, whole]));
  } catch {
    return undefined;
  }
}

function compressed(spki: Uint8Array): Uint8Array {
  const point = Buffer.from(spki).subarray(SPKI_PREFIX.length);
  return ECDH.convertKey(point, CURVE, undefined, undefined, "compressed") as Buffer;
}

/** The pin of the CA whose key the root is; see `ca-pin.ts`. */
export function caPinOfRoot(root: string): string {
  const digest = createHash("sha256").update(parsePoolRoot(root)).digest();
  return toBase32(digest.subarray(0, PIN_BYTES));
}

/** `root` is the text of `poolRootOf`. `MESH_BAD_REQUEST` for a name that no pool can have. */
export function poolIdOf(root: string, name: string): string {
  const bytes = parsePoolRoot(root);
  const hash = createHash("sha256").update("hearthmesh-pool-v1\n").update(bytes);
  const digest = hash.update(`\n${parsePoolName(name)}`).digest();
  return digest.toString("hex", 0, POOL_ID_BYTES);
}

/** `MESH_BAD_REQUEST`. */
export function parsePoolName(text: string, what = "name of a pool"): string {
  if (POOL_NAME.test(text)) return text;
  throw new MeshError("MESH_BAD_REQUEST", {
    message: `${JSON.stringify(text.slice(0, 80))} is not a valid ${what}`,
    hint: "Use letters, digits, dots, hyphens and underscores, up to 63, such as test-pool.",
  });
}

/** `MESH_BAD_REQUEST`. */
export function parsePoolId(text: string): string {
  if (POOL_ID.test(text)) return text;
  throw new MeshError("MESH_BAD_REQUEST", {
    message: "the text is not the id of a pool",
    hint: "A pool's id has 32 hexadecimal digits: `mesh pool list` shows it.",
  });
}
