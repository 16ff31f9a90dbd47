import { generateKeyPairSync } from "node:crypto";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { checkCertificateRequest, createCertificateRequest } from "./certificate-request.js";
import { generateKeyPair, publicKeyDerOf } from "./keys.js";
import { decodePem, encodePem } from "./pem.js";

const invalid = expect.objectContaining({ code: "MESH_CERT_INVALID" });

/** Made by OpenSSL: a good request for an Ed25519 key. */
const ED25519_REQUEST = `-----BEGIN CERTIFICATE REQUEST-----
MIGLMD8CAQAwDDEKMAgGA1UEAwwBeDAqMAUGAytlcAMhAJPTC87h1vGwiQEZOAFO
lYCYkGFUyNK979UxslYqlGB5oAAwBQYDK2VwA0EA79rjIAt5Ij8jDvQF0Pdp10LZ
cQf/vgWVV+JCg+HbtCmtrJxqs+HFCJiIZloRCIc0j0NnP7a60Xioh0yyyzODAg==
-----END CERTIFICATE REQUEST-----`;

/** Made by OpenSSL: P-256, and asks to be the coordinator. */
const GREEDY_REQUEST = `-----BEGIN CERTIFICATE REQUEST-----
MIIBHTCBxAIBADAhMQwwCgYDVQQKDANBbnkxETAPBgNVBAMMCHNwaWZmZTp4MFkw
EwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEI3zvGeM6o4VscaPklbe4iekStJzUgMM4
Ju8yTbjLNfGSJAn8X8b8ml1mGxTif07vFUL1i6jLV6Q6Q/Yf4z+TqqBBMD8GCSqG
SIb3DQEJDjEyMDAwLgYDVR0RBCcwJYYjc3BpZmZlOi8vaG9tZS5hbGljZS9jb29y
ZGluYXRvci9odWIwCgYIKoZIzj0EAwIDSAAwRQIhAJsYfNr3IJXX1jVFEN1+t4Ee
kV8PtisQS3yhGnOUTFxZAiA7GiZalVCgH7SgONOkHQOvrvNls7oXn7FlhbkoV2qm
LA==
-----END CERTIFICATE REQUEST-----`;

describe("certificate requests", () => {
  it("prove the key, and say nothing else", async () => {
    const keys = generateKeyPair();
    const pem = await createCertificateRequest(keys, "spiffe://home.alice/coordinator/hub");
    expect(await checkCertificateRequest(pem)).toEqual({
      publicKeyDer: Uint8Array.from(publicKeyDerOf(keys.publicKeyPem)),
      nodeId: keys.nodeId,
    });
  });

  it("may be made by other programs, whose wishes are read by nobody", async () => {
    const checked = await checkCertificateRequest(GREEDY_REQUEST);
    expect(Object.keys(checked)).toEqual(["publicKeyDer", "nodeId"]);
    expect(checked.publicKeyDer).toHaveLength(91);
  });

  it("are refused when they are no request, too large, or of another algorithm", async () => {
    const certificate = generateKeyPairSync("ec", { namedCurve: "P-256" }).publicKey;
    for (const text of [
      "",
      "-----BEGIN CERTIFICATE REQUEST-----\n-----END CERTIFICATE REQUEST-----",
      "-----BEGIN CERTIFICATE REQUEST-----\nAAAA\n-----END CERTIFICATE REQUEST-----",
      certificate.export({ type: "spki", format: "pem" }).toString(),
      ED25519_REQUEST,
      encodePem("CERTIFICATE REQUEST", new Uint8Array(20_000)),
      undefined as unknown as string,
    ]) {
      await expect(checkCertificateRequest(text)).rejects.toThrow(invalid);
    }
  });

  it("are refused with any byte changed, cut off or added", async () => {
    const der = decodePem("CERTIFICATE REQUEST", await createCertificateRequest(generateKeyPair()));
    const check = (bytes: Uint8Array) =>
      checkCertificateRequest(encodePem("CERTIFICATE REQUEST", bytes));
    await fc.assert(
      fc.asyncProperty(
        fc.nat(der.length - 1),
        fc.integer({ min: 1, max: 255 }),
        async (at, change) => {
          const changed = Uint8Array.from(der);
          changed[at] = (changed[at] ?? 0) ^ change;
          await expect(check(changed)).rejects.toThrow(invalid);
        },
      ),
      { numRuns: 200 },
    );
    await expect(check(der.subarray(0, der.length - 1))).rejects.toThrow(invalid);
    await expect(check(Buffer.concat([der, Buffer.from([0])]))).rejects.toThrow(invalid);
  });
});
