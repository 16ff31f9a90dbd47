import { generateKeyPairSync } from "node:crypto";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { checkCertificateRequest, createCertificateRequest } from "./certificate-request.js";
import { generateKeyPair, publicKeyDerOf } from "./keys.js";
import { decodePem, encodePem } from "./pem.js";
import * as x509 from "./x509.js";

const invalid = expect.objectContaining({ code: "MESH_CERT_INVALID" });

describe("certificate requests", () => {
  it("prove the key, and say nothing else", async () => {
    const keys = generateKeyPair();
    const pem = await createCertificateRequest(keys, "spiffe://home.alice/coordinator/hub");
    expect(await checkCertificateRequest(pem)).toEqual({
      publicKeyDer: Uint8Array.from(publicKeyDerOf(keys.publicKeyPem)),
      nodeId: keys.nodeId,
    });
  });

  it("are refused when they are no request, too large, or of another algorithm", async () => {
    const edKeys = await crypto.subtle.generateKey({ name: "Ed25519" }, true, ["sign", "verify"]);
    const ed = await x509.Pkcs10CertificateRequestGenerator.create({
      name: "CN=x",
      keys: edKeys as x509.Pkcs10CertificateRequestCreateParams["keys"],
      signingAlgorithm: { name: "Ed25519" },
    });
    const certificate = generateKeyPairSync("ec", { namedCurve: "P-256" }).publicKey;
    for (const text of [
      "",
      "-----BEGIN CERTIFICATE REQUEST-----\n-----END CERTIFICATE REQUEST-----",
      "-----BEGIN CERTIFICATE REQUEST-----\nAAAA\n-----END CERTIFICATE REQUEST-----",
      certificate.export({ type: "spki", format: "pem" }).toString(),
      encodePem("CERTIFICATE REQUEST", new Uint8Array(ed.rawData)),
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
