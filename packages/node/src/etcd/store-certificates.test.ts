import { X509Certificate } from "node:crypto";
import { chmod, readFile, stat, writeFile } from "node:fs/promises";
import { silentLogger, systemRandom } from "@hearthmesh/core";
import { ManualClock } from "@hearthmesh/core/testing";
import { createMemberCa } from "@hearthmesh/identity";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { ensureStoreCa, readStoreCa, writeStoreCa } from "./store-ca.js";
import { StoreCertificates } from "./store-certificates.js";
import { MEMBER, type StoreHome, storeHome } from "./testing/etcd-fixture.js";

const DAY_MS = 86_400_000;

describe("the certificates of the store", () => {
  let home: StoreHome;
  let clock: ManualClock;
  let hosts: string[];
  let certificates: StoreCertificates;
  beforeEach(async () => {
    home = await storeHome("one");
    clock = new ManualClock({ wallMs: Date.now() });
    hosts = ["192.0.2.7", "home.example", "fe80::1%eth0"];
    const ca = await ensureStoreCa(home.files, { ...MEMBER, clock, random: systemRandom() });
    certificates = new StoreCertificates({
      files: home.files,
      ca,
      nodeName: "one",
      trustDomain: MEMBER.trustDomain,
      hosts: () => hosts,
      clock,
      random: systemRandom(),
      log: silentLogger,
    });
    await certificates.start();
  });
  afterEach(async () => {
    await certificates.stop();
    await home.remove();
  });

  const server = async () => new X509Certificate(await readFile(home.files.serverCertificate));

  it("name this machine and the store, and for clients nothing to compare", async () => {
    const names = (await server()).subjectAltName ?? "";
    for (const name of ["DNS:store.home.alice", "DNS:localhost", "DNS:home.example"]) {
      expect(names).toContain(name);
    }
    for (const name of ["IP Address:127.0.0.1", "IP Address:192.0.2.7"]) {
      expect(names).toContain(name);
    }
    expect(names).not.toContain("FE80");
    const client = new X509Certificate(certificates.tls().certificatePem);
    expect(client.subjectAltName).toBeUndefined();
    expect(client.keyUsage).toEqual(["1.3.6.1.5.5.7.3.2", "1.3.6.1.5.5.7.3.1"]);
  });

  it("are private files, and keep their keys when they are renewed", async () => {
    const { serverKey, clientKey, caKey } = home.files;
    for (const path of [serverKey, clientKey, caKey]) {
      expect((await stat(path)).mode & 0o077).toBe(0);
    }
    const before = await readFile(serverKey, "utf8");
    await certificates.start();
    expect(await readFile(serverKey, "utf8")).toBe(before);
  });

  it("are renewed at half of their life, and when the machine has other addresses", async () => {
    const serialNow = async () => (await server()).serialNumber;
    const first = await serialNow();
    clock.pass(14 * DAY_MS);
    await certificates.look();
    expect(await serialNow()).toBe(first);
    clock.pass(4 * DAY_MS);
    await certificates.look();
    const second = await serialNow();
    expect(second).not.toBe(first);
    hosts = ["192.0.2.8"];
    await certificates.look();
    expect((await server()).subjectAltName).toContain("192.0.2.8");
    expect(Date.parse((await server()).validTo)).toBeGreaterThan(clock.nowMs() + 29 * DAY_MS);
  });
});

describe("the store CA", () => {
  let home: StoreHome;
  beforeEach(async () => {
    home = await storeHome("one");
  });
  afterEach(() => home.remove());
  const tools = { clock: new ManualClock({ wallMs: Date.now() }), random: systemRandom() };

  it("is made once, and is taken over by another coordinator", async () => {
    const made = await ensureStoreCa(home.files, { ...MEMBER, ...tools });
    expect(await ensureStoreCa(home.files, { ...MEMBER, ...tools })).toEqual(made);
    const other = await storeHome("two");
    await writeStoreCa(other.files, made);
    expect(await readStoreCa(other.files)).toEqual(made);
    await other.remove();
  });

  it("is not under the member's CA, whose path ends at its own leaves", async () => {
    const { certificatePem } = await ensureStoreCa(home.files, { ...MEMBER, ...tools });
    const own = new X509Certificate(certificatePem);
    const memberCa = new X509Certificate(
      (await createMemberCa({ ...MEMBER, ...tools })).certificatePem,
    );
    expect(own.verify(own.publicKey)).toBe(true);
    expect(own.checkIssued(memberCa)).toBe(false);
    expect(own.ca).toBe(true);
  });

  it("is refused when its key is another one's, or others can read it", async () => {
    const made = await ensureStoreCa(home.files, { ...MEMBER, ...tools });
    const memberCa = await createMemberCa({ ...MEMBER, ...tools });
    const { privateKeyPem } = memberCa;
    await expect(writeStoreCa(home.files, { ...made, privateKeyPem })).rejects.toMatchObject({
      code: "MESH_CERT_INVALID",
    });
    await writeFile(home.files.caKey, privateKeyPem);
    await expect(readStoreCa(home.files)).rejects.toMatchObject({ code: "MESH_CERT_INVALID" });
    await chmod(home.files.caKey, 0o644);
    await expect(readStoreCa(home.files)).rejects.toMatchObject({ code: "MESH_HOME_UNSAFE" });
  });
});
