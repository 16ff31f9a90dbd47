import { generateKeyPairSync } from "node:crypto";
import type { TrustDomain } from "@hearthmesh/core";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { verifyCertificate } from "./certificate-verify.js";
import { nodeIdOfPublicKey, publicKeyDerOf } from "./keys.js";
import { decodePem } from "./pem.js";
import { signRevocationList } from "./revocation.js";
import {
  type ForgedOptions,
  forge,
  HOUR_MS,
  memberFixture,
  NOW_MS,
} from "./testing/member-fixture.js";
import * as x509 from "./x509.js";

const code = (name: string) => expect.objectContaining({ code: name });

describe("verifyCertificate", () => {
  it("says who a good certificate speaks for", async () => {
    const { bundle, issue } = await memberFixture();
    const { der, serial, notAfterMs, privateKeyPem } = await issue({
      kind: "person",
      name: "carol@office.carol",
    });
    expect(verifyCertificate([der], { bundle, nowMs: NOW_MS })).toEqual({
      kind: "person",
      spiffeId: "spiffe://home.alice/person/carol@office.carol",
      trustDomain: "home.alice",
      name: "carol@office.carol",
      nodeId: nodeIdOfPublicKey(publicKeyDerOf(privateKeyPem)),
      serial,
      notAfterMs,
    });
  });

  it("refuses before, after, revoked, without a certificate and from another CA", async () => {
    const alice = await memberFixture();
    const { bundle, ca } = alice;
    const { der, notAfterMs } = await alice.issue();
    const verify = (chain: Uint8Array[], nowMs = NOW_MS) =>
      verifyCertificate(chain, { bundle, nowMs });
    expect(() => verify([])).toThrow(code("MESH_UNAUTHENTICATED"));
    expect(() => verify([der], NOW_MS - 3 * HOUR_MS)).toThrow(code("MESH_CERT_INVALID"));
    expect(verify([der], notAfterMs).name).toBe("one");
    expect(() => verify([der], notAfterMs + 1)).toThrow(code("MESH_CERT_EXPIRED"));
    const twin = await memberFixture("alice");
    const foreign = await twin.issue();
    expect(() => verify([foreign.der])).toThrow(code("MESH_CERT_UNTRUSTED"));
    // Showing the other CA, or a good certificate behind it, does not help.
    const chain = [foreign.der, decodePem("CERTIFICATE", twin.ca.certificatePem), der];
    expect(() => verify(chain)).toThrow(code("MESH_CERT_UNTRUSTED"));
    const { nodeId, spiffeId } = verify([der]);
    const revocations = signRevocationList(
      {
        trustDomain: bundle.trustDomain,
        epoch: 1,
        issuedAtMs: NOW_MS,
        entries: [{ nodeId, spiffeId, reason: "stolen", atMs: NOW_MS }],
      },
      ca.privateKeyPem,
    );
    expect(() => verifyCertificate([der], { bundle, nowMs: NOW_MS, revocations })).toThrow(
      code("MESH_CERT_REVOKED"),
    );
    const otherDomain = { ...revocations, trustDomain: "home.bob" as TrustDomain };
    expect(() =>
      verifyCertificate([der], { bundle, nowMs: NOW_MS, revocations: otherDomain }),
    ).toThrow(code("MESH_CERT_UNTRUSTED"));
  });

  it("verifies against the bundle's own domain, whatever CA signed the name", async () => {
    const bob = await memberFixture("bob");
    // Bob's CA names somebody at Alice's; with the bundles pooled this would pass.
    const der = await forge(bob.ca, {
      issuerName: "bob",
      uris: ["spiffe://home.alice/coordinator/alice-hub"],
    });
    const at = { nowMs: NOW_MS };
    expect(() => verifyCertificate([der], { bundle: bob.bundle, ...at })).toThrow(
      code("MESH_CERT_UNTRUSTED"),
    );
    const alice = await memberFixture("alice");
    expect(() => verifyCertificate([der], { bundle: alice.bundle, ...at })).toThrow(
      code("MESH_CERT_UNTRUSTED"),
    );
  });

  const edKey = generateKeyPairSync("ed25519").publicKey.export({ type: "spki", format: "der" });
  const p384 = generateKeyPairSync("ec", { namedCurve: "P-384" }).publicKey;
  const { keyCertSign, digitalSignature, keyEncipherment } = x509.KeyUsageFlags;
  const twice = new x509.KeyUsagesExtension(digitalSignature, true);
  const unknown = new x509.Extension("1.2.3.4", true, Uint8Array.of(5, 0));
  const refused: [string, ForgedOptions][] = [
    ["no name", { uris: [] }],
    ["two names", { uris: ["spiffe://home.alice/node/a", "spiffe://home.alice/node/b"] }],
    ["a name that is no SPIFFE id", { uris: ["https://home.alice/node/a"] }],
    ["an unknown kind", { uris: ["spiffe://home.alice/admin/a"] }],
    ["a name with a separator", { uris: ["spiffe://home.alice/node/a, URI:spiffe://x/node/b"] }],
    ["a name with a query", { uris: ["spiffe://home.alice/node/a?b"] }],
    ["a deeper path", { uris: ["spiffe://home.alice/node/a/b"] }],
    ["a port in the domain", { uris: ["spiffe://home.alice:1/node/a"] }],
    ["a NUL in the name", { uris: ["spiffe://home.alice/node/a\0b"] }],
    ["a CA flag", { isCa: true }],
    ["the right to sign certificates", { keyUsage: keyCertSign | digitalSignature }],
    ["no right to sign", { keyUsage: keyEncipherment }],
    ["only the server's side", { usages: [x509.ExtendedKeyUsage.serverAuth] }],
    ["no use at all", { usages: [] }],
    ["an unknown critical extension", { extra: [unknown] }],
    ["an extension that comes twice", { extra: [twice] }],
    ["an Ed25519 key", { publicKeyDer: edKey }],
    ["a P-384 key", { publicKeyDer: p384.export({ type: "spki", format: "der" }) }],
  ];
  it.each(refused)(
    "refuses a certificate with %s, though the CA signed it",
    async (_n, options) => {
      const { ca, bundle } = await memberFixture();
      const der = await forge(ca, options);
      expect(() => verifyCertificate([der], { bundle, nowMs: NOW_MS })).toThrow(
        code("MESH_CERT_INVALID"),
      );
    },
  );

  it("refuses a bundle whose CA is a leaf", async () => {
    const { issue, bundle } = await memberFixture();
    const leaf = await issue();
    const wrong = { ...bundle, caCertificatesPem: [leaf.certificatePem] };
    expect(() => verifyCertificate([leaf.der], { bundle: wrong, nowMs: NOW_MS })).toThrow(
      code("MESH_CERT_INVALID"),
    );
  });

  it("never accepts a certificate with a changed byte, and never breaks on one", async () => {
    const { bundle, issue } = await memberFixture();
    const { der } = await issue();
    fc.assert(
      fc.property(fc.nat(der.length - 1), fc.integer({ min: 1, max: 255 }), (at, change) => {
        const changed = Uint8Array.from(der);
        changed[at] = (changed[at] ?? 0) ^ change;
        expect(() => verifyCertificate([changed], { bundle, nowMs: NOW_MS })).toThrow(
          expect.objectContaining({ code: expect.stringMatching(/^MESH_CERT_/) }),
        );
      }),
      { numRuns: 300 },
    );
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => {
        expect(() => verifyCertificate([bytes], { bundle, nowMs: NOW_MS })).toThrow(
          code("MESH_CERT_INVALID"),
        );
      }),
    );
    for (let length = 0; length < der.length; length += 7) {
      expect(() => verifyCertificate([der.subarray(0, length)], { bundle, nowMs: NOW_MS })).toThrow(
        code("MESH_CERT_INVALID"),
      );
    }
    expect(() =>
      verifyCertificate([Buffer.concat([der, Buffer.from([0])])], { bundle, nowMs: NOW_MS }),
    ).toThrow(code("MESH_CERT_INVALID"));
  });
});
