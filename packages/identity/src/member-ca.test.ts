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

  it("writes what OpenSSL reads, with every kind of name, past 2049 too", async () => {
    const { ca } = await memberFixture();
    const { certificatePem, serial } = await issueCertificate({
      ca,
      publicKeyDer: publicKeyDerOf(generateKeyPair().publicKeyPem),
      kind: "person",
      trustDomain: "home.alice" as TrustDomain,
      name: `${"c".repeat(60)}@office.carol`,
      validityMs: HOUR_MS,
      clock: fixedClock(),
      random: systemRandom(),
      dnsNames: ["localhost", "my_box.example"],
      ipAddresses: ["127.0.0.1", "::1", "fd00:1::2:3", "::ffff:10.0.0.1"],
    });
    const read = new X509Certificate(certificatePem);
    expect(read.subjectAltName?.split(", ")).toEqual([
      `URI:spiffe://home.alice/person/${"c".repeat(60)}@office.carol`,
      "DNS:localhost",
      "DNS:my_box.example",
      "IP Address:127.0.0.1",
      "IP Address:0:0:0:0:0:0:0:1",
      "IP Address:FD00:1:0:0:0:0:2:3",
      "IP Address:0:0:0:0:0:FFFF:A00:1",
    ]);
    expect(read.serialNumber.toLowerCase()).toBe(serial);
    expect(read.checkIssued(new X509Certificate(ca.certificatePem))).toBe(true);
    expect(read.keyUsage).toEqual(["1.3.6.1.5.5.7.3.2", "1.3.6.1.5.5.7.3.1"]);
    const trustDomain = "home.alice" as TrustDomain;
    const clock = fixedClock(Date.UTC(2045, 0, 1));
    const late = await createMemberCa({
      memberId: "alice",
      trustDomain,
      clock,
      random: systemRandom(),
    });
    const end = Date.parse(new X509Certificate(late.certificatePem).validTo);
    expect(end).toBe(describeMemberCa(late.certificatePem).notAfterMs);
    expect(new Date(end).getUTCFullYear()).toBe(2054);
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
    const own = { ...options, publicKeyDer, trustDomain: bundle.trustDomain };
    for (const names of [
      { dnsNames: ["a b"] },
      { dnsNames: ["a,DNS:b"] },
      { dnsNames: [""] },
      { ipAddresses: ["300.0.0.1"] },
      { ipAddresses: ["fe80::1%eth0"] },
    ]) {
      await expect(issueCertificate({ ...own, ...names })).rejects.toThrow(
        code("MESH_BAD_REQUEST"),
      );
    }
    const wrongKey = { ...ca, privateKeyPem: "no key" };
    await expect(issueCertificate({ ...own, ca: wrongKey })).rejects.toThrow(
      code("MESH_CERT_INVALID"),
    );
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
      publicKeyDer: publicKeyDerOf(keys.publicKeyPem),
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

describe("a node that is called like its member", () => {
  it.each(["node", "coordinator"] as const)("as a %s connects like any other", async (kind) => {
    const trustDomain = "home.alice" as TrustDomain;
    const tools = { clock: systemClock(), random: systemRandom() };
    const ca = await createMemberCa({ memberId: "alice", trustDomain, ...tools });
    const keys = generateKeyPair();
    const publicKeyDer = publicKeyDerOf(keys.publicKeyPem);
    const leaf = { ca, publicKeyDer, kind, trustDomain, name: "alice", validityMs: HOUR_MS };
    const { certificatePem } = await issueCertificate({ ...leaf, ...tools });
    const side = { ca: ca.certificatePem, key: keys.privateKeyPem, cert: certificatePem };
    expect(await handshake(side)).toBe("OK");
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
