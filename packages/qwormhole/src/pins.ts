/**
 * Pins: the keys that a peer may have. A pin is a node id (52 characters of base32) or, in the form
 * of RFC 7469, `sha256/` and base64. Both are SHA-256 of the public key (SPKI, DER).
 */
import { createHash, timingSafeEqual } from "node:crypto";
import { QWormholeError } from "./errors.js";
import { nodeIdOfPublicKey } from "./keys.js";
import { PINS_MAX } from "./limits.js";

const DIGEST_BYTES = 32;

/**
 * Throws `QW_OPTIONS_INVALID` for no pin, too many, or one of neither form. The checker throws
 * `QW_PEER_NOT_PINNED` when the key is none of the pinned ones.
 */
export function pinChecker(pins: readonly string[]): (publicKeySpki: Uint8Array) => void {
  if (pins.length === 0 || pins.length > PINS_MAX) {
    throw invalid(`there are ${pins.length} pins; there must be 1 to ${PINS_MAX}`);
  }
  for (const pin of pins) checkForm(pin);
  return (publicKeySpki) => {
    const key = `sha256/${createHash("sha256").update(publicKeySpki).digest("base64")}`;
    const own = [nodeIdOfPublicKey(publicKeySpki), key];
    // All are compared, whichever fits.
    const fitting = pins.filter((pin) => own.some((text) => isSame(pin, text)));
    if (fitting.length > 0) return;
    const message = `the peer's key ${key} is none of those that are pinned`;
    throw new QWormholeError("QW_PEER_NOT_PINNED", { message });
  };
}

function isSame(pin: string, own: string): boolean {
  return pin.length === own.length && timingSafeEqual(Buffer.from(pin), Buffer.from(own));
}

/** Each form has one standard text for 32 bytes, without stray bits at the end. */
function checkForm(pin: string): void {
  const isPin = pin.startsWith("sha256/") ? isBase64(pin.slice(7)) : /^[a-z2-7]{51}[aq]$/.test(pin);
  if (isPin) return;
  const forms = "a node id of 52 characters, or sha256/ and 44 characters of base64";
  throw invalid(`${JSON.stringify(pin)} is not a pin; a pin is ${forms}`);
}

const invalid = (message: string) => new QWormholeError("QW_OPTIONS_INVALID", { message });

function isBase64(text: string): boolean {
  const bytes = Buffer.from(text, "base64");
  return bytes.length === DIGEST_BYTES && bytes.toString("base64") === text;
}
