import { createECDH, generateKeyPairSync } from "node:crypto";
import type { Random } from "@hearthmesh/core";
import { describe, expect, it } from "vitest";
import {
  checkPublicKey,
  generateKeyPair,
  nodeIdOfPublicKey,
  publicKeyDerOf,
  signerOf,
  verifySignature,
} from "./keys.js";

const invalid = expect.objectContaining({ code: "MESH_CERT_INVALID" });
const bytes = Buffer.from("a chunk ticket");

/** Gives the prepared pieces one after the other. */
function scripted(pieces: Uint8Array[]): Random {
  return { bytes: () => pieces.shift() ?? new Uint8Array(32), float: () => 0 };
}

describe("keys", () => {
  it("sign and verify, with an id that is the hash of the public key", () => {
    const keys = generateKeyPair();
    const spki = publicKeyDerOf(keys.publicKeyPem);
    expect(publicKeyDerOf(keys.privateKeyPem)).toEqual(spki);
    expect(keys.nodeId).toBe(nodeIdOfPublicKey(spki));
    expect(keys.nodeId).toMatch(/^[a-z2-7]{52}$/);
    const signature = signerOf(keys.privateKeyPem)(bytes);
    expect(signature).toHaveLength(64);
    expect(verifySignature(spki, bytes, signature)).toBe(true);
    expect(verifySignature(spki, Buffer.from("another"), signature)).toBe(false);
    expect(verifySignature(spki, bytes, signature.subarray(1))).toBe(false);
    expect(verifySignature(Buffer.from("no key"), bytes, signature)).toBe(false);
    const other = publicKeyDerOf(generateKeyPair().publicKeyPem);
    expect(verifySignature(other, bytes, signature)).toBe(false);
  });

  it("are the same for the same randomness, which is drawn again when it is out of range", () => {
    const seed = Buffer.alloc(32, 7);
    const first = generateKeyPair(scripted([seed]));
    const tooLarge = Buffer.alloc(32, 0xff);
    const second = generateKeyPair(scripted([Buffer.alloc(32), tooLarge, seed]));
    expect(second).toEqual(first);
    expect(() => generateKeyPair(scripted([]))).toThrow(
      expect.objectContaining({ code: "MESH_INTERNAL" }),
    );
  });

  it("have one encoding: a compressed point would be a second id for the same key", () => {
    const spki = Buffer.from(publicKeyDerOf(generateKeyPair().publicKeyPem));
    const point = spki.subarray(26);
    const compressed = createECDH("prime256v1");
    compressed.generateKeys();
    const short = compressed.getPublicKey(undefined, "compressed");
    const header = Buffer.from("3039301306072a8648ce3d020106082a8648ce3d030107032200", "hex");
    expect(() => checkPublicKey(Buffer.concat([header, short]))).toThrow(invalid);
    const offCurve = Buffer.from(spki);
    offCurve[offCurve.length - 1] = (point.at(-1) ?? 0) ^ 1;
    expect(() => checkPublicKey(offCurve)).toThrow(invalid);
    expect(() => publicKeyDerOf("no key")).toThrow(invalid);
    const rsa = generateKeyPairSync("rsa", { modulusLength: 1024 }).publicKey;
    expect(() => publicKeyDerOf(rsa.export({ type: "spki", format: "pem" }).toString())).toThrow(
      invalid,
    );
  });
});
