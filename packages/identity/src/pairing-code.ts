/**
 * Pairing codes: what the admin of a pool reads to somebody who stands before the other machine, or
 * hands to a script, so that it is let in without a question.
 *
 * `xxxxx-xxxxxxx-xxxxxxx` in base32: an id (25 bits, not secret) and a secret of 70 bits, which is
 * never sent. The newcomer sends
 *
 *     HMAC-SHA256(HKDF(secret; pool id), purpose | root of the pool | node id of its own key)
 *
 * over TLS that the pool's root key has proved. Bound to that root it is of no use elsewhere, bound
 * to the newcomer's key it lets in nobody else; and with 70 bits, a life of minutes and few
 * attempts it cannot be guessed, neither from the proof nor by trying.
 */
import { createHmac, hkdfSync, timingSafeEqual } from "node:crypto";
import { MeshError, type NodeId, type Random, toBase32 } from "@hearthmesh/core";
import { parsePoolRoot } from "./pool-root.js";

const ID_LENGTH = 5;
const SECRET_LENGTH = 14;
const CODE = /^([a-z2-7]{5})-?([a-z2-7]{7})-?([a-z2-7]{7})$/;
const SALT = Buffer.from("hearthmesh pool pairing v1", "latin1");

export interface PairingCode {
  /** In clear; names the code at the admin. */
  readonly id: string;
  /** 70 bits as base32. */
  readonly secret: string;
}

export function newPairingCode(random: Random): PairingCode {
  const text = toBase32(random.bytes(12));
  return { id: text.slice(0, ID_LENGTH), secret: text.slice(ID_LENGTH, ID_LENGTH + SECRET_LENGTH) };
}

export function formatPairingCode({ id, secret }: PairingCode): string {
  return `${id}-${secret.slice(0, 7)}-${secret.slice(7)}`;
}

/** Case and white space around it do not count. `MESH_PAIRING_INVALID`. */
export function parsePairingCode(text: string): PairingCode {
  const [, id, first, second] = CODE.exec(text.trim().toLowerCase()) ?? [];
  if (id === undefined || first === undefined || second === undefined) {
    throw new MeshError("MESH_PAIRING_INVALID", {
      message: "the text is not a pairing code",
      hint: "It looks like abcde-fghijkl-mnopqrs, as `mesh pool pair` printed it.",
    });
  }
  return { id, secret: first + second };
}

/** What the admin keeps of a code: it can check a proof, and is as secret as the code. */
export function pairingKeyOf({ secret }: PairingCode, poolId: string): Uint8Array {
  const info = Buffer.from(poolId, "latin1");
  return new Uint8Array(hkdfSync("sha256", Buffer.from(secret, "latin1"), SALT, info, 32));
}

/** Hexadecimal. */
export function pairingProof(key: Uint8Array, root: string, nodeId: NodeId): string {
  const hmac = createHmac("sha256", key).update("hearthmesh-pool-pairing-v1\n");
  return hmac.update(parsePoolRoot(root)).update(`\n${nodeId}`).digest("hex");
}

export function pairingProofMatches(
  proof: string,
  key: Uint8Array,
  root: string,
  nodeId: NodeId,
): boolean {
  const expected = Buffer.from(pairingProof(key, root, nodeId), "latin1");
  const given = Buffer.from(proof, "latin1");
  return given.length === expected.length && timingSafeEqual(given, expected);
}
