import { X509Certificate } from "node:crypto";
import { once } from "node:events";
import type { AddressInfo } from "node:net";
import { connect, createServer } from "node:tls";
import { limits, systemClock, systemRandom, type TrustDomain } from "@hearthmesh/core";
import { describe, expect, it } from "vitest";
import { generateKeyPair, publicKeyDerOf } from "./keys.js";
import { createMemberCa, describeMemberCa, issueCertificate } from "./member-ca.js";
import { decodePem, encodePem } from "./pem.js";
import { fixedClock, forge, HOUR_MS, memberFixture, NOW_MS } from "./testing/member-fixture.js";

const code = (name: string) => expect.objectContaining({ code: name });

describe("the member's CA", () => {
  it("names its member and domain, and is read by OpenSSL as a CA", async () => {
    const { ca } = await memberFixture("home-alice");
    expect(describeMemberCa(ca.certificatePem)).toMatchObject({
      memberId: "home-alice",
      trustDomain: "home.home-alice",
    });
    const certificate = new X509Certificate(ca.certificatePem);
    expect(certificate.ca).toBe(true);
    expect(certificate.verify(certificate.publicKey)).toBe(true);
  });

  it("refuses names that are not names", async () => {
    const tools = { clock: fixedClock(), random: systemRandom() };
    for (const [memberId, trustDomain] of [
      ["Alice", "home.alice"],
      ["alice", "alice"],
      ["alice", `home.${"a".repeat(300)}`],
      ["", "home.alice"],
    ] as const) {
      await expect(createMemberCa({ memberId, trustDomain, ...tools })).rejects.toThrow(
        code("MESH_BAD_REQUEST"),
      );
    }
  });
});

describe("issueCertificate", () => {
  it("gives 128-bit serials, starts in the past and never outlives the CA", async () => {
    const { ca, issue } = await memberFixture();
    const end = describeMemberCa(ca.certificatePem).notAfterMs;
    const serials = new Set<string>();
    for (let i = 0; i < 5; i++) serials.add((await issue()).serial);
    expect([...serials].map((serial) => serial.length)).toEqual([32, 32, 32, 32, 32]);
    const { certificatePem } = await issue();
    const from = Date.parse(new X509Certificate(certificatePem).validFrom);
    expect(from).toBe(NOW_MS - limits.CERTIFICATE_BACKDATE_MS);
    const late = await issue({ nowMs: end - HOUR_MS, validityMs: 24 * HOUR_MS });
    expect(late.notAfterMs).toBe(end);
    await expect(issue({ nowMs: end })).rejects.toThrow(code("MESH_CERT_EXPIRED"));
  });

  it("refuses names, domains and keys that do not fit", async () => {
    const { ca, bundle, issue } = await memberFixture();
    await expect(issue({ name: "a b" })).rejects.toThrow(code("MESH_BAD_REQUEST"));
    await expect(issue({ kind: "person", name: "carol" })).rejects.toThrow(
      code("MESH_BAD_REQUEST"),
    );
    await expect(issue({ validityMs: Number.NaN })).rejects.toThrow(code("MESH_BAD_REQUEST"));
    const options = {
      ca,
      kind: "node" as const,
      name: "one",
      validityMs: HOUR_MS,
      clock: fixedClock(),
      random: systemRandom(),
    };
    const publicKeyDer = publicKeyDerOf(generateKeyPair().publicKeyPem);
    await expect(
      issueCertificate({ ...options, publicKeyDer, trustDomain: "home.bob" as TrustDomain }),
    ).rejects.toThrow(code("MESH_BAD_REQUEST"));
    await expect(
      issueCertificate({
        ...options,
        publicKeyDer: publicKeyDerOf(ca.privateKeyPem),
        trustDomain: bundle.trustDomain,
      }),
    ).rejects.toThrow(code("MESH_CERT_INVALID"));
  });
});

describe("TLS with these certificates", () => {
  it("connects both ways; a name of another domain breaks the CA's constraint", async () => {
    const trustDomain = "home.alice" as TrustDomain;
    const tools = { clock: systemClock(), random: systemRandom() };
    const ca = await createMemberCa({ memberId: "alice", trustDomain, ...tools });
    const keys = generateKeyPair();
    const { certificatePem } = await issueCertificate({
      ca,
      publicKeyDer: publicKeyDerOf(keys.publicKeyPem),
      kind: "node",
      trustDomain,
      name: "one",
      validityMs: HOUR_MS,
      ...tools,
    });
    const nowMs = Date.now();
    const foreign = await forge(ca, {
      publicKey: Buffer.from(publicKeyDerOf(keys.publicKeyPem)),
      uris: ["spiffe://home.bob/node/one"],
      notBeforeMs: nowMs - HOUR_MS,
      notAfterMs: nowMs + HOUR_MS,
    });
    const key = keys.privateKeyPem;
    expect(await handshake({ ca: ca.certificatePem, key, cert: certificatePem })).toBe("OK");
    const cert = encodePem("CERTIFICATE", foreign);
    expect(await handshake({ ca: ca.certificatePem, key, cert })).toContain("permitted subtree");
    expect(decodePem("CERTIFICATE", cert)).toEqual(Buffer.from(foreign));
  });
});

/** How the client of a mutual handshake, both sides with this certificate, judges the server. */
async function handshake(side: { ca: string; key: string; cert: string }): Promise<string> {
  const server = createServer({ ...side, requestCert: true, minVersion: "TLSv1.3" }, (socket) => {
    socket.end(socket.authorized ? "OK" : "client refused");
  });
  server.on("tlsClientError", () => undefined);
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  const socket = connect({
    ...side,
    port,
    host: "127.0.0.1",
    checkServerIdentity: () => undefined,
  });
  try {
    const [answer] = await once(socket, "data");
    return String(answer);
  } catch (error) {
    return (error as Error).message;
  } finally {
    socket.destroy();
    server.close();
  }
}
