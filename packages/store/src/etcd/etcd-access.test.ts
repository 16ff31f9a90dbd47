/** Who may speak with whom (certificates, passwords), and what a small cluster refuses. */
import { spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { isMeshError, limits, silentLogger, systemClock, systemRandom } from "@hearthmesh/core";
import { afterAll, beforeAll, describe, expect, it, vi } from "vitest";
import { expectMissing, put, remove, removeRange } from "../operations.js";
import { EtcdCluster, whyNoEtcd } from "../testing/etcd-process.js";
import { openEtcdAdmin } from "./admin.js";
import type { TlsMaterial } from "./endpoints.js";
import { type EtcdStoreOptions, openEtcdStore } from "./etcd-store.js";

vi.setConfig({ testTimeout: 120_000, hookTimeout: 120_000 });
const missing = whyNoEtcd() ?? whyNot("openssl", "version");
const whyNoControl = missing ?? whyNot("etcdctl", "version");
const because = (reason: string | undefined) => (reason === undefined ? "" : ` (${reason})`);

function whyNot(program: string, argument: string): string | undefined {
  const { status } = spawnSync(program, [argument], { stdio: "ignore", timeout: 10_000 });
  return status === 0 ? undefined : `${program} is not installed`;
}

function open(endpoints: readonly string[], more: Partial<EtcdStoreOptions> = {}) {
  return openEtcdStore({
    endpoints,
    keyPrefix: "/access/",
    requestTimeoutMs: 3_000,
    clock: systemClock(),
    random: systemRandom(),
    log: silentLogger,
    ...more,
  });
}

const failsWith = (code: Parameters<typeof isMeshError>[1]) => (error: unknown) =>
  isMeshError(error, code);

/** Authorities and certificates in PEM, made with openssl. */
class Authority {
  readonly #directory: string;
  readonly #name: string;

  constructor(directory: string, name: string, signer?: Authority) {
    this.#directory = directory;
    this.#name = name;
    this.#issue(name, "basicConstraints=critical,CA:TRUE", signer ?? this);
  }

  get certificatePem(): string {
    return this.#read(this.#name, "crt");
  }

  /** For a server on 127.0.0.1 and for a client. */
  material(name: string, trusted: Authority = this): TlsMaterial {
    this.#issue(name, "subjectAltName=IP:127.0.0.1,DNS:localhost", this);
    return {
      caCertificatePem: trusted.certificatePem,
      certificatePem: this.#read(name, "crt"),
      privateKeyPem: this.#read(name, "key"),
    };
  }

  #issue(name: string, extension: string, signer: Authority): void {
    const file = (base: string, kind: string) => join(this.#directory, `${base}.${kind}`);
    const key = file(name, "key");
    run(["ecparam", "-name", "prime256v1", "-genkey", "-noout", "-out", key]);
    const subject = ["-subj", `/CN=${name}`];
    writeFileSync(file(name, "ext"), `${extension}\n`);
    const request = file(name, "csr");
    run(["req", "-new", "-key", key, ...subject, "-out", request]);
    const own = signer === this && name === this.#name;
    const by = own
      ? ["-signkey", key]
      : ["-CA", file(signer.#name, "crt"), "-CAkey", file(signer.#name, "key")];
    const serial = ["-set_serial", `${Math.floor(systemRandom().float() * 2 ** 40) + 1}`];
    const out = ["-extfile", file(name, "ext"), "-days", "2", "-out", file(name, "crt")];
    run(["x509", "-req", "-in", request, ...by, ...serial, ...out]);
  }

  #read(name: string, kind: string): string {
    return readFileSync(join(this.#directory, `${name}.${kind}`), "utf8");
  }
}

function run(args: string[]): void {
  const { status, stderr } = spawnSync("openssl", args, { timeout: 30_000 });
  if (status !== 0) throw new Error(`openssl ${args[0]} failed: ${stderr}`);
}

describe.skipIf(missing !== undefined)(`etcd behind mutual TLS${because(missing)}`, () => {
  let directory: string;
  let store: Authority;
  let stranger: Authority;
  let cluster: EtcdCluster;
  beforeAll(async () => {
    directory = mkdtempSync(join(tmpdir(), "hearthmesh-tls-"));
    const member = new Authority(directory, "member");
    store = new Authority(directory, "store", member);
    stranger = new Authority(directory, "stranger", member);
    cluster = await EtcdCluster.start(1, { tls: store.material("server") });
  });
  afterAll(async () => {
    await cluster?.dispose();
    rmSync(directory, { recursive: true, force: true });
  });

  it("trusts an intermediate authority alone, and takes renewed certificates", async () => {
    let asked = 0;
    const materials = [store.material("first"), store.material("second")];
    const engine = await open(cluster.endpoints, {
      tls: () => materials[Math.min(asked++, 1)]!,
    });
    await engine.transact({ success: [put("a", Buffer.from("1"))] });
    await cluster.members[0]!.end();
    await cluster.restart(0);
    const entry = await retried(() => engine.get("a"));
    expect(entry?.version).toBe(1);
    expect(asked).toBeGreaterThan(1);
    await engine.close();
  });

  it("refuses a server of another authority, and is refused with its certificate", async () => {
    const other = stranger.material("other");
    await expect(open(cluster.endpoints, { tls: () => other })).rejects.toSatisfy(
      failsWith("MESH_STORE_UNAVAILABLE"),
    );
    const mixed = stranger.material("mixed", store);
    await expect(open(cluster.endpoints, { tls: () => mixed })).rejects.toSatisfy(
      failsWith("MESH_STORE_UNAVAILABLE"),
    );
  });

  it("speaks plain text on this machine alone, and wants certificates for https", async () => {
    for (const endpoint of [
      "http://192.0.2.7:2379",
      "http://etcd.example:2379",
      "127.0.0.1:2379",
    ]) {
      await expect(open([endpoint])).rejects.toSatisfy(failsWith("MESH_CONFIG_INVALID"));
    }
    await expect(open(cluster.endpoints)).rejects.toSatisfy(failsWith("MESH_CONFIG_INVALID"));
    await expect(open([])).rejects.toSatisfy(failsWith("MESH_CONFIG_INVALID"));
    const plain = cluster.endpoints.map((endpoint) => endpoint.replace("https", "http"));
    await expect(open(plain)).rejects.toSatisfy(failsWith("MESH_STORE_UNAVAILABLE"));
    const broken = { caCertificatePem: "x", certificatePem: "y", privateKeyPem: "z" };
    await expect(open(cluster.endpoints, { tls: () => broken })).rejects.toSatisfy(
      failsWith("MESH_CONFIG_INVALID"),
    );
  });
});

describe.skipIf(whyNoControl !== undefined)(`etcd with users${because(whyNoControl)}`, () => {
  let cluster: EtcdCluster;
  beforeAll(async () => {
    cluster = await EtcdCluster.start(1, { flags: ["--auth-token-ttl=1"] });
    for (const command of [
      ["user", "add", "root:root-secret"],
      ["user", "grant-role", "root", "root"],
      ["role", "add", "mesh"],
      ["role", "grant-permission", "mesh", "--prefix=true", "readwrite", "/access/"],
      ["user", "add", "mesh:mesh-secret"],
      ["user", "grant-role", "mesh", "mesh"],
      ["auth", "enable"],
    ]) {
      control(cluster, command);
    }
  });
  afterAll(async () => {
    await cluster?.dispose();
  });

  it("logs in, and again when its token has expired", async () => {
    const user = { name: "mesh", password: "mesh-secret" };
    const engine = await open(cluster.endpoints, { user });
    await engine.transact({ success: [put("a", Buffer.from("1"))] });
    const watch = engine.watch({ prefix: "" })[Symbol.asyncIterator]();
    const waiting = watch.next();
    await new Promise((resolve) => setTimeout(resolve, 2_500));
    const { revision } = await engine.transact({ success: [put("a", Buffer.from("2"))] });
    expect((await engine.get("a"))?.version).toBe(2);
    expect((await waiting).value?.revision).toBe(revision);
    await watch.return?.();
    const later = engine.watch({ prefix: "" }, { fromRevision: revision });
    await new Promise((resolve) => setTimeout(resolve, 2_500));
    const first = await later[Symbol.asyncIterator]().next();
    expect(first.value?.revision).toBe(revision);
    await engine.close();
  });

  it("refuses a wrong password, no password, and keys of others", async () => {
    const wrong = { name: "mesh", password: "guessed" };
    await expect(open(cluster.endpoints, { user: wrong })).rejects.toSatisfy(
      failsWith("MESH_UNAUTHENTICATED"),
    );
    const nobody = await open(cluster.endpoints);
    await expect(nobody.get("a")).rejects.toSatisfy(failsWith("MESH_UNAUTHENTICATED"));
    await nobody.close();
    const user = { name: "mesh", password: "mesh-secret" };
    const elsewhere = await open(cluster.endpoints, { user, keyPrefix: "/others/" });
    await expect(elsewhere.get("a")).rejects.toSatisfy(failsWith("MESH_FORBIDDEN"));
    const watch = elsewhere.watch({ prefix: "" }, { fromRevision: 1 })[Symbol.asyncIterator]();
    await expect(watch.next()).rejects.toSatisfy(failsWith("MESH_FORBIDDEN"));
    await elsewhere.close();
  });
});

describe.skipIf(missing !== undefined)(`a small etcd of somebody else${because(missing)}`, () => {
  let cluster: EtcdCluster;
  beforeAll(async () => {
    cluster = await EtcdCluster.start(1, {
      defaultLimits: true,
      flags: [`--quota-backend-bytes=${16 << 20}`],
    });
  });
  afterAll(async () => {
    await cluster?.dispose();
  });

  it("is dialled anew when asked to, and loses no call that is under way", async () => {
    const store = await open(cluster.endpoints);
    const writes: Promise<unknown>[] = [];
    for (let at = 0; at < 20; at++) {
      writes.push(store.transact({ success: [put(`again${at}`, Buffer.from("1"))] }));
      if (at % 5 === 0) store.redial();
    }
    await Promise.all(writes);
    expect((await store.range({ prefix: "again" })).entries).toHaveLength(20);
    await store.transact({ success: [removeRange({ prefix: "again" })] });
    await store.close();
    expect(() => store.redial()).toThrow();
  });

  it("refuses what is beyond its own limits, and nothing is done", async () => {
    const engine = await open(cluster.endpoints);
    const megabyte = new Uint8Array(limits.STORE_VALUE_BYTES_MAX);
    const three = ["a", "b", "c"].map((key) => put(key, megabyte));
    await expect(engine.transact({ success: three })).rejects.toSatisfy(
      failsWith("MESH_STORE_TXN_TOO_LARGE"),
    );
    await engine.transact({ success: [put("a", new Uint8Array(1))] });
    expect((await engine.status()).keys).toBe(1);
    await engine.close();
  });

  it("takes deletions only when it is full, and writes again after compaction", async () => {
    const engine = await open(cluster.endpoints);
    const value = new Uint8Array(limits.STORE_VALUE_BYTES_MAX);
    let stored = 0;
    let failure: unknown;
    while (failure === undefined) {
      const key = `full/${String(stored).padStart(3, "0")}`;
      const write = { compare: [expectMissing(key)], success: [put(key, value)] };
      failure = await engine.transact(write).then(
        () => undefined,
        (error: unknown) => error,
      );
      if (failure === undefined) stored++;
    }
    expect(failure).toSatisfy(failsWith("MESH_STORE_NO_SPACE"));
    expect((await engine.range({ prefix: "full/" }, { keysOnly: true })).entries).toHaveLength(
      stored,
    );
    await expect(engine.transact({ success: [put("more", value)] })).rejects.toSatisfy(
      failsWith("MESH_STORE_NO_SPACE"),
    );
    await engine.transact({ success: [remove("full/000")] });
    const { revision } = await engine.transact({ success: [removeRange({ prefix: "full/" })] });
    expect((await engine.range({ prefix: "full/" })).entries).toEqual([]);
    await makeRoom(cluster, revision);
    await engine.transact({ success: [put("more", value)] });
    await engine.close();
  });
});

/** What the supervisor does on a full cluster. */
async function makeRoom(cluster: EtcdCluster, revision: number): Promise<void> {
  const admin = await openEtcdAdmin({
    endpoints: cluster.endpoints,
    clock: systemClock(),
    random: systemRandom(),
    log: silentLogger,
  });
  expect(await admin.alarms()).toEqual([expect.objectContaining({ type: "noSpace" })]);
  await admin.compactPhysical(revision);
  for (const endpoint of cluster.endpoints) await admin.defragment(endpoint);
  for (const alarm of await admin.alarms()) await admin.disarm(alarm);
  expect(await admin.alarms()).toEqual([]);
  await admin.close();
}

function control(cluster: EtcdCluster, command: string[]): void {
  const { status, stderr } = spawnSync(
    "etcdctl",
    [`--endpoints=${cluster.endpoints.join(",")}`, ...command],
    { env: { PATH: process.env.PATH ?? "", ETCDCTL_API: "3" }, timeout: 30_000 },
  );
  if (status !== 0) throw new Error(`etcdctl ${command.join(" ")} failed: ${stderr}`);
}

async function retried<T>(work: () => Promise<T>): Promise<T> {
  for (;;) {
    try {
      return await work();
    } catch (error) {
      if (!isMeshError(error, "MESH_STORE_UNAVAILABLE")) throw error;
    }
  }
}
