import { createHash } from "node:crypto";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { nodeIdOfPublicKey } from "./keys.js";
import { pinChecker } from "./pins.js";
import { testIdentity } from "./testing/index.js";

const { publicKey } = testIdentity();
const other = testIdentity("p256").publicKey;
const rfc7469 = (key: Uint8Array) => `sha256/${createHash("sha256").update(key).digest("base64")}`;

describe("pins", () => {
  it.each([
    ["a node id", nodeIdOfPublicKey(publicKey)],
    ["a digest as in RFC 7469", rfc7469(publicKey)],
  ])("let the key pass that %s names", (_name, pin) => {
    expect(() => pinChecker([pin])(publicKey)).not.toThrow();
    expect(() => pinChecker([rfc7469(other), pin])(publicKey)).not.toThrow();
    expect(() => pinChecker([pin])(other)).toThrow(
      expect.objectContaining({
        code: "QW_PEER_NOT_PINNED",
        message: expect.stringContaining(rfc7469(other)),
      }),
    );
  });

  it("mean the same in both forms, for any key", () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 64 }), (key) => {
        for (const pin of [nodeIdOfPublicKey(key), rfc7469(key)]) {
          expect(() => pinChecker([pin])(key)).not.toThrow();
          expect(() => pinChecker([pin])(publicKey)).toThrow(/none of those that are pinned/);
        }
      }),
    );
  });

  const id = nodeIdOfPublicKey(publicKey);
  const digest = rfc7469(publicKey);
  it.each([
    "",
    "sha256/",
    id.toUpperCase(),
    id.slice(1),
    `${id}a`,
    `${id.slice(0, -1)}b`,
    `1${id.slice(1)}`,
    ` ${id}`,
    digest.slice(0, -1),
    `${digest}=`,
    digest.replace("sha256/", "sha1/"),
    digest.replace("sha256/", "SHA256/"),
    `${digest.slice(0, -2)}${digest.at(-2) === "B" ? "C" : "B"}=`,
  ])("are refused in another form: %j", (pin) => {
    // A last character that carries stray bits would give one key two pins.
    expect(() => pinChecker([id, pin])).toThrow(
      expect.objectContaining({
        code: "QW_OPTIONS_INVALID",
        message: expect.stringContaining(`${JSON.stringify(pin)} is not a pin`),
      }),
    );
  });

  it("are at least one and not too many", () => {
    expect(() => pinChecker([])).toThrow(/there are 0 pins/);
    expect(() => pinChecker(Array(257).fill(id))).toThrow(/there are 257 pins/);
    expect(() => pinChecker(Array(256).fill(id))).not.toThrow();
  });
});
