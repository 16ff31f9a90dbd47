import { spawn } from "node:child_process";
import { existsSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { connect } from "node:net";
import { connect as connectTls, type SecureContextOptions } from "node:tls";
import { silentLogger, systemClock, systemRandom } from "@hearthmesh/core";
import {
  createMemberCa,
  generateKeyPair,
  issueCertificate,
  publicKeyDerOf,
} from "@hearthmesh/identity";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { etcdArguments, memberFolder } from "./etcd-arguments.js";
import { endOrphans, etcdProcesses } from "./etcd-orphans.js";
import { complaintOf } from "./etcd-output.js";
import { EtcdProcess } from "./etcd-process.js";
import type { EtcdProgram } from "./find-etcd.js";
import { etcdOrReason, MEMBER, type StoreHome, storeHome, until } from "./testing/etcd-fixture.js";

const { etcd, missing } = await etcdOrReason();
const tools = { clock: systemClock(), random: systemRandom(), log: silentLogger };

describe("etcd's own words", () => {
  it("are kept when they are complaints", () => {
    const fatal = '{"level":"fatal","ts":"x","msg":"discovery failed","error":"bind: in use"}';
    expect(complaintOf(fatal)).toBe("discovery failed: bind: in use");
    expect(complaintOf('{"level":"info","msg":"ready"}')).toBeUndefined();
    expect(complaintOf("panic: runtime error")).toBe("panic: runtime error");
    expect(complaintOf("{broken")).toBeUndefined();
  });
});

describe.skipIf(etcd === undefined)(missing ?? "etcd as a child process", () => {
  const program = etcd as EtcdProgram;
  let home: StoreHome;
  let child: EtcdProcess;
  beforeEach(async () => {
    home = await storeHome("one");
    await home.certificates.start();
    child = new EtcdProcess({
      path: program.path,
      args: commandLine,
      logPath: home.files.log,
      searchPath: process.env.PATH,
      ...tools,
    });
  });
  afterEach(async () => {
    await child.stop();
    await home.remove();
  });

  function commandLine(): string[] {
    return etcdArguments(
      {
        program,
        files: home.files,
        store: home.store,
        memberName: "one.nodeid",
        hosts: ["127.0.0.1"],
        limitFlags: [],
      },
      existsSync(memberFolder(home.files.data))
        ? { kind: "existing" }
        : { kind: "new", token: "test" },
    );
  }

  const serves = () => answers({ ...clientTls() });
  function clientTls(): SecureContextOptions {
    const { caCertificatePem, certificatePem, privateKeyPem } = home.certificates.tls();
    return { ca: caCertificatePem, cert: certificatePem, key: privateKeyPem };
  }

  /** Whether etcd says that it is healthy to a client with these certificates. */
  function answers(tls: SecureContextOptions): Promise<boolean> {
    const { port } = home.store.client;
    const options = { host: "127.0.0.1", port, servername: "store.home.alice", ...tls };
    return new Promise((resolve) => {
      const socket = connectTls(options, () => {
        socket.write("GET /health HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
      });
      let text = "";
      socket.on("data", (bytes) => {
        text += bytes;
      });
      socket.on("error", () => resolve(false));
      socket.on("close", () => resolve(text.includes('{"health":"true"')));
    });
  }

  it("serves the store's own certificate, and nobody else's", async () => {
    child.start();
    await until(serves);
    // A node of the very same member, with a certificate of its CA.
    const ca = await createMemberCa({ ...MEMBER, ...tools });
    const keys = generateKeyPair();
    const { certificatePem } = await issueCertificate({
      ca,
      publicKeyDer: publicKeyDerOf(keys.publicKeyPem),
      kind: "coordinator",
      trustDomain: MEMBER.trustDomain as never,
      name: "one",
      validityMs: 60_000,
      ...tools,
    });
    const { ca: storeCa } = clientTls();
    const own = { cert: certificatePem, key: keys.privateKeyPem };
    expect(await answers({ ca: storeCa, ...own } as SecureContextOptions)).toBe(false);
    expect(await answers({ ca: storeCa } as SecureContextOptions)).toBe(false);
    expect(await plainAnswer(home.store.client.port)).not.toContain("HTTP/1.1 200");
    expect(await plainAnswer(home.store.peer.port)).not.toContain("HTTP/1.1 200");
    expect(await serves()).toBe(true);
  }, 60_000);

  it("proves the name of the store, and takes renewed certificates without a restart", async () => {
    child.start();
    await until(serves);
    const { pid } = child;
    const before = await readFile(home.files.serverCertificate, "utf8");
    await home.certificates.start();
    expect(await readFile(home.files.serverCertificate, "utf8")).not.toBe(before);
    expect(await serves()).toBe(true);
    expect(child.pid).toBe(pid);
  }, 60_000);

  it("comes back after it was killed, with its data", async () => {
    child.start();
    await until(serves);
    const { pid } = child;
    process.kill(pid as number, "SIGKILL");
    await until(() => child.pid !== undefined && child.pid !== pid);
    await until(serves);
    const starts = (await readFile(home.files.log, "utf8")).match(/serving client traffic/g);
    expect(starts).toHaveLength(2);
  }, 60_000);

  it("says in etcd's own words why it does not run", async () => {
    const { port } = home.store.client;
    home.store.peer.port = port;
    child.start();
    await until(() => child.crashes > 0);
    expect(child.complaints.join(" ")).toContain("address already in use");
  }, 60_000);

  it("ends at stop, and may be stopped twice", async () => {
    child.start();
    await until(serves);
    await child.stop();
    await child.stop();
    expect(child.running).toBe(false);
    expect(await etcdProcesses(home.files.data)).toEqual([]);
  }, 60_000);

  it("of an earlier daemon on the same data is ended, no other one", async () => {
    const orphan = spawn(program.path, commandLine(), { stdio: "ignore" });
    const ended = new Promise((resolve) => orphan.once("close", resolve));
    await until(serves);
    expect(await etcdProcesses(home.files.data)).toEqual([orphan.pid]);
    const other = { dataDirectory: `${home.files.data}-2`, ...tools };
    expect(await endOrphans(other)).toBe(0);
    expect(await endOrphans({ dataDirectory: home.files.data, ...tools })).toBe(1);
    await ended;
    expect(await serves()).toBe(false);
  }, 60_000);
});

/** What a connection without TLS is told. */
function plainAnswer(port: number): Promise<string> {
  return new Promise((resolve) => {
    const socket = connect(port, "127.0.0.1", () => {
      socket.write("GET /health HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
    });
    let text = "";
    socket.on("data", (bytes) => {
      text += bytes;
    });
    socket.on("error", () => resolve(text));
    socket.on("close", () => resolve(text));
  });
}
