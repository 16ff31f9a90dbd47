/** For tests with a real etcd: whether there is one, free ports, and a home for it. */
import { mkdtemp, rm } from "node:fs/promises";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type Logger, silentLogger, systemClock, systemRandom } from "@hearthmesh/core";
import type { StoreConfig } from "../../config/config.js";
import { type EtcdProgram, findEtcd } from "../find-etcd.js";
import { ensureStoreCa } from "../store-ca.js";
import { StoreCertificates } from "../store-certificates.js";
import { type StoreFiles, storeFiles } from "../store-files.js";

export const MEMBER = { memberId: "alice", trustDomain: "home.alice" } as const;

/** The etcd of this machine, or why tests of it are skipped. */
export async function etcdOrReason(): Promise<{ etcd?: EtcdProgram; missing?: string }> {
  try {
    return { etcd: await findEtcd({ searchPath: process.env.PATH }) };
  } catch (error) {
    return { missing: (error as Error).message };
  }
}

/** A port of 127.0.0.1 that nobody listens on at this moment. */
export async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const address = server.address();
  await new Promise((resolve) => server.close(resolve));
  if (address === null || typeof address === "string") throw new Error("no port");
  return address.port;
}

export interface StoreHome {
  files: StoreFiles;
  store: StoreConfig;
  certificates: StoreCertificates;
  remove(): Promise<void>;
}

/** A home with a store CA (a new one, or that of another home), certificates and free ports. */
export async function storeHome(
  name: string,
  options: { from?: StoreFiles; store?: Partial<StoreConfig>; log?: Logger } = {},
): Promise<StoreHome> {
  const home = await mkdtemp(join(tmpdir(), `etcd-${name}-`));
  const config = { home, certificatesDirectory: join(home, "certs") };
  const files = storeFiles(config, { memberId: MEMBER.memberId, name });
  const tools = { clock: systemClock(), random: systemRandom(), log: options.log ?? silentLogger };
  const ca = await ensureStoreCa(options.from ?? files, { ...MEMBER, ...tools });
  if (options.from !== undefined) {
    const { writeStoreCa } = await import("../store-ca.js");
    await writeStoreCa(files, ca);
  }
  const certificates = new StoreCertificates({
    files,
    ca,
    nodeName: name,
    trustDomain: MEMBER.trustDomain,
    hosts: () => ["127.0.0.1"],
    ...tools,
  });
  const remove = async () => {
    await certificates.stop();
    await rm(home, { recursive: true, force: true });
  };
  return { files, store: await storeConfig(options.store), certificates, remove };
}

async function storeConfig(changes: Partial<StoreConfig> = {}): Promise<StoreConfig> {
  return {
    engine: "etcd",
    endpoints: [],
    caFile: undefined,
    certificateFile: undefined,
    keyFile: undefined,
    user: undefined,
    passwordFile: undefined,
    client: { host: "127.0.0.1", port: await freePort() },
    peer: { host: "127.0.0.1", port: await freePort() },
    votersMax: 3,
    electionTimeoutMs: 500,
    leaseTimeMs: 3_000,
    memberLostMs: 900_000,
    quotaBytes: 64 << 20,
    snapshotIntervalMs: 0,
    snapshotsKept: 3,
    ...changes,
  };
}

/** Waits until `holds` says yes; the test's own time limit ends it otherwise. */
export async function until(holds: () => boolean | Promise<boolean>): Promise<void> {
  while (!(await holds())) await new Promise((resolve) => setTimeout(resolve, 50));
}
