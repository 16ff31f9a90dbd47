/**
 * Pins: the keys that a peer may have. A pin is a node id (52 characters of base32) or, in the form
 * of RFC 7469, `sha256/` and base64. Both are SHA-256 of the public key (SPKI, DER).
 */
import { createHash, timingSafeEqual } from "node:crypto";
import { QWormholeError } from "./errors.js";
import { PINS_MAX } from "./limits.js";

const BASE32 = "abcdefghijklmnopqrstuvwxyz234567";
const DIGEST_BYTES = 32;

/**
 * Throws `QW_OPTIONS_INVALID` for no pin, too many, or one of neither form. The checker throws
 * `QW_PEER_NOT_PINNED` when the key is none of the pinned ones.
 */
export function pinChecker(pins: readonly string[]): (publicKeySpki: Uint8Array) => void {
  if (pins.length === 0 || pins.length > PINS_MAX) {
    throw invalid(`there are ${pins.length} pins; there must be 1 to ${PINS_MAX}`);
  }
  const digests = pins.map(readPin);
  return (publicKeySpki) => {
    const own = createHash("sha256").update(publicKeySpki).digest();
    // All are compared, whichever fits.
    const fitting = digests.filter((digest) => timingSafeEqual(digest, own));
    if (fitting.length > 0) return;
    const key = `sha256/${own.toString("base64")}`;
    const message = `the peer's key ${key} is none of those that are pinned`;
    throw new QWormholeError("QW_PEER_NOT_PINNED", { message });
  };
}

function readPin(pin: string): Uint8Array {
  const digest = pin.startsWith("sha256/") ? fromBase64(pin.slice(7)) : fromBase32(pin);
  if (digest !== undefined) return digest;
  const forms = "a node id of 52 characters, or sha256/ and 44 characters of base64";
  throw invalid(`${JSON.stringify(pin)} is not a pin; a pin is ${forms}`);
}

const invalid = (message: string) => new QWormholeError("QW_OPTIONS_INVALID", { message });

/** Only the one standard text of 32 bytes: with padding, and with no stray bits at the end. */
function fromBase64(text: string): Uint8Array | undefined {
  const bytes = Buffer.from(text, "base64");
  return bytes.length === DIGEST_BYTES && bytes.toString("base64") === text ? bytes : undefined;
}

function fromBase32(text: string): Uint8Array | undefined {
  if (!/^[a-z2-7]{51}[aq]$/.test(text)) return undefined;
  const bytes = new Uint8Array(DIGEST_BYTES);
  let bits = 0;
  let value = 0;
  let at = 0;
  for (const character of text) {
    value = ((value << 5) | BASE32.indexOf(character)) & 0xfff;
    bits += 5;
    if (bits < 8) continue;
    bits -= 8;
    bytes[at++] = (value >>> bits) & 0xff;
  }
  return bytes;
}
