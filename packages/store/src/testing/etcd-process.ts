/**
 * Real etcd processes for tests: on free ports of 127.0.0.1, with their data in temporary
 * directories. Nothing here touches an etcd that the system runs.
 */
import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { TlsMaterial } from "../etcd/endpoints.js";
import { ETCD_SERVER_LIMIT_FLAGS } from "../etcd/etcd-limits.js";

const START_TIMEOUT_MS = 30_000;
const LOG_BYTES_KEPT = 64 * 1024;
/** What versions 3.4 and later say when clients are served. */
const SERVES = /ready to serve client requests|serving (?:insecure )?client (?:requests|traffic)/;

/** Why tests with etcd cannot run here, for their names; nothing when they can. */
export function whyNoEtcd(): string | undefined {
  return isEtcdInstalled() ? undefined : "etcd is not installed";
}

export function isEtcdInstalled(): boolean {
  const { status } = spawnSync("etcd", ["--version"], { stdio: "ignore", timeout: 10_000 });
  return status === 0;
}

export interface EtcdProcessOptions {
  /** Handed in as PEM texts; `https` and mutual TLS for clients then, peers stay as they are. */
  readonly tls?: TlsMaterial;
  /** More flags of etcd, such as `--quota-backend-bytes=...`. They come last. */
  readonly flags?: readonly string[];
  /** Without the flags that our limits need, as a cluster of somebody else is. */
  readonly defaultLimits?: boolean;
}

interface Ports {
  readonly client: number;
  readonly peer: number;
}

/** One member of a cluster: a process that may be stopped, killed, paused and started again. */
export class EtcdProcess {
  readonly name: string;
  readonly endpoint: string;
  readonly peerUrl: string;
  readonly directory: string;
  readonly #flags: readonly string[];
  #child: ChildProcess | undefined;
  #output = "";

  constructor(name: string, ports: Ports, directory: string, options: EtcdProcessOptions) {
    this.name = name;
    this.directory = directory;
    const scheme = options.tls === undefined ? "http" : "https";
    this.endpoint = `${scheme}://127.0.0.1:${ports.client}`;
    this.peerUrl = `http://127.0.0.1:${ports.peer}`;
    this.#flags = [
      `--name=${name}`,
      `--data-dir=${join(directory, "data")}`,
      `--listen-client-urls=${this.endpoint}`,
      `--advertise-client-urls=${this.endpoint}`,
      `--listen-peer-urls=${this.peerUrl}`,
      `--initial-advertise-peer-urls=${this.peerUrl}`,
      "--heartbeat-interval=50",
      "--election-timeout=500",
      ...(options.defaultLimits === true ? [] : ETCD_SERVER_LIMIT_FLAGS),
      ...(options.tls === undefined ? [] : tlsFlags(directory)),
      ...(options.flags ?? []),
    ];
  }

  /** What it said last, for the message of a test that failed. */
  get output(): string {
    return this.#output;
  }

  /** Starts it, and waits until it says that it serves clients when `ready` is left out. */
  async start(extra: readonly string[], ready = true): Promise<void> {
    this.#output = "";
    const environment = { ...process.env };
    for (const name of Object.keys(environment)) {
      if (name.startsWith("ETCD_")) delete environment[name];
    }
    const child = spawn("etcd", [...this.#flags, ...extra], {
      stdio: ["ignore", "pipe", "pipe"],
      env: environment,
    });
    this.#child = child;
    const listen = (part: Buffer) => {
      this.#output = (this.#output + part.toString("utf8")).slice(-LOG_BYTES_KEPT);
    };
    child.stdout?.on("data", listen);
    child.stderr?.on("data", listen);
    if (ready) await this.#ready(child);
  }

  /** Sends a signal and waits for the end. */
  async end(signal: "SIGTERM" | "SIGKILL" = "SIGTERM"): Promise<void> {
    const child = this.#child;
    this.#child = undefined;
    if (child === undefined || child.exitCode !== null || child.signalCode !== null) return;
    const ended = new Promise<void>((resolve) => child.once("exit", () => resolve()));
    child.kill("SIGCONT");
    child.kill(signal);
    await ended;
  }

  /** Resolves when all its threads stand still. */
  async pause(): Promise<void> {
    const pid = this.#child?.pid;
    this.#child?.kill("SIGSTOP");
    while (pid !== undefined && !(await isStopped(pid))) {
      await new Promise((resolve) => setTimeout(resolve, 5));
    }
  }

  resume(): void {
    this.#child?.kill("SIGCONT");
  }

  async #ready(child: ChildProcess): Promise<void> {
    const startedMs = performance.now();
    while (!SERVES.test(this.#output)) {
      if (child.exitCode !== null || performance.now() - startedMs > START_TIMEOUT_MS) {
        throw new Error(`etcd did not start:\n${this.#output.slice(-2_000)}`);
      }
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
  }
}

/** A cluster of one or more members on this machine. */
export class EtcdCluster {
  readonly members: readonly EtcdProcess[];
  readonly #directory: string;
  readonly #others: EtcdProcess[] = [];

  private constructor(members: readonly EtcdProcess[], directory: string) {
    this.members = members;
    this.#directory = directory;
  }

  static async start(size = 1, options: EtcdProcessOptions = {}): Promise<EtcdCluster> {
    const directory = await mkdtemp(join(tmpdir(), "hearthmesh-etcd-"));
    const ports = await freePorts(size * 2);
    const members: EtcdProcess[] = [];
    for (let index = 0; index < size; index++) {
      const own = await mkdtemp(join(directory, "member-"));
      if (options.tls !== undefined) await writeTls(own, options.tls);
      const pair = { client: ports[index * 2] ?? 0, peer: ports[index * 2 + 1] ?? 0 };
      members.push(new EtcdProcess(`m${index}`, pair, own, options));
    }
    const cluster = new EtcdCluster(members, directory);
    try {
      await Promise.all(members.map((member) => member.start(cluster.initialFlags)));
    } catch (error) {
      await cluster.dispose();
      throw error;
    }
    return cluster;
  }

  get endpoints(): readonly string[] {
    return this.members.map((member) => member.endpoint);
  }

  /** What each member is started with the first time; harmless later. */
  get initialFlags(): readonly string[] {
    const peers = this.members.map(({ name, peerUrl }) => `${name}=${peerUrl}`).join(",");
    return [`--initial-cluster=${peers}`, "--initial-cluster-state=new"];
  }

  /** Starts a member again that was ended; its data is still there. */
  async restart(index: number): Promise<void> {
    await this.members[index]?.start(this.initialFlags);
  }

  /** One more that is not a member yet; it is ended and removed with the cluster. */
  async prepare(name: string, options: EtcdProcessOptions = {}): Promise<EtcdProcess> {
    const directory = await mkdtemp(join(this.#directory, "member-"));
    if (options.tls !== undefined) await writeTls(directory, options.tls);
    const [client = 0, peer = 0] = await freePorts(2);
    const other = new EtcdProcess(name, { client, peer }, directory, options);
    this.#others.push(other);
    return other;
  }

  /** Ends all processes and removes their data. */
  async dispose(): Promise<void> {
    const all = [...this.members, ...this.#others];
    await Promise.all(all.map((member) => member.end("SIGKILL")));
    await rm(this.#directory, { recursive: true, force: true });
  }
}

/** The third field of /proc/PID/stat is `T` then; without /proc it is taken to be so. */
async function isStopped(pid: number): Promise<boolean> {
  const text = await readFile(`/proc/${pid}/stat`, "utf8").catch(() => ") T");
  return text.slice(text.lastIndexOf(")") + 2).startsWith("T");
}

function tlsFlags(directory: string): string[] {
  return [
    `--trusted-ca-file=${join(directory, "ca.pem")}`,
    `--cert-file=${join(directory, "certificate.pem")}`,
    `--key-file=${join(directory, "key.pem")}`,
    "--client-cert-auth=true",
  ];
}

async function writeTls(directory: string, tls: TlsMaterial): Promise<void> {
  await writeFile(join(directory, "ca.pem"), tls.caCertificatePem);
  await writeFile(join(directory, "certificate.pem"), tls.certificatePem);
  await writeFile(join(directory, "key.pem"), tls.privateKeyPem, { mode: 0o600 });
}

/** All are held at once, so that no two are the same. */
async function freePorts(count: number): Promise<number[]> {
  const servers = Array.from({ length: count }, () => createServer());
  await Promise.all(
    servers.map(
      (server) => new Promise<void>((resolve) => server.listen(0, "127.0.0.1", () => resolve())),
    ),
  );
  const ports = servers.map((server) => {
    const address = server.address();
    return address !== null && typeof address === "object" ? address.port : 0;
  });
  await Promise.all(
    servers.map((server) => new Promise<void>((resolve) => server.close(() => resolve()))),
  );
  return ports;
}
