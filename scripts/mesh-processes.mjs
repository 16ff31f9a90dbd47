/**
 * A member as real processes on loopback: one coordinator and some storage nodes, each with a
 * MESH_HOME of its own. The demo, the benchmarks and the integration tests use it.
 */
import { spawn } from "node:child_process";
import { closeSync, existsSync, mkdirSync, openSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { freePortBase, PORT_STEP } from "./free-ports.mjs";
import { root } from "./lib.mjs";

const cliPath = join(root, "packages/cli/bin/mesh.js");
/** For what hangs: a start takes 2 s, and a busy machine may be twenty times slower. */
const READY_MS = 90_000;
const TOLD_CHARACTERS_MAX = 2_000;
/** By which a node is told what it is: ours, and those under the names of guides. */
const OWN_VARIABLES =
  /^((MESH|COLLECTIVE|YGGDRASIL|WATCHDOG|LISTEN)_.*|NODE_ID|LOG_LEVEL|NOTIFY_SOCKET)$/;

/**
 * All that this program started and that runs still: for one that is told to end in the middle.
 * @type {Set<import("node:child_process").ChildProcess>}
 */
export const runningChildren = new Set();

function remembered(child) {
  runningChildren.add(child);
  child.once("exit", () => runningChildren.delete(child));
  return child;
}

/** Variables of the caller must not leak into the nodes. */
export function environment(home, variables = {}) {
  const kept = Object.entries(process.env).filter(([name]) => !OWN_VARIABLES.test(name));
  return { ...Object.fromEntries(kept), MESH_HOME: home, NO_COLOR: "1", ...variables };
}

/**
 * Runs one command of the CLI to its end.
 * @param {string} home
 * @param {string[]} args
 * @param {{ input?: string, onSpawn?: (child: any) => void }} [options]
 * @returns {Promise<{ code: number, stdout: string, stderr: string }>}
 */
export function mesh(home, args, { input, onSpawn } = {}) {
  return new Promise((resolve, reject) => {
    const child = remembered(
      spawn(process.execPath, [cliPath, ...args], {
        env: environment(home),
        cwd: home,
        stdio: [input === undefined ? "ignore" : "pipe", "pipe", "pipe"],
      }),
    );
    onSpawn?.(child);
    const out = [];
    const err = [];
    child.stdout.on("data", (bytes) => out.push(bytes));
    child.stderr.on("data", (bytes) => err.push(bytes));
    child.on("error", reject);
    child.on("close", (code, signal) =>
      resolve({
        code: code ?? (signal === null ? 1 : 128),
        stdout: Buffer.concat(out).toString("utf8"),
        stderr: Buffer.concat(err).toString("utf8"),
      }),
    );
    if (input !== undefined) {
      // The command may end before it has read everything, for example at an error.
      child.stdin.on("error", () => {});
      child.stdin.end(input);
    }
  });
}

/**
 * Like `mesh`, and throws with the command's words when it fails. Returns its standard output.
 * @param {string} home
 * @param {string[]} args
 * @param {{ input?: string, onSpawn?: (child: any) => void }} [options]
 */
export async function meshOk(home, args, options) {
  const result = await mesh(home, args, options);
  if (result.code !== 0) {
    throw new Error(`mesh ${args.join(" ")} ended with ${result.code}: ${result.stderr.trim()}`);
  }
  return result.stdout;
}

/** One daemon that can be killed and started again on the same home. */
export class MeshProcess {
  /** @type {import("node:child_process").ChildProcess | undefined} */
  child;
  /** @type {Promise<{ code: number | null, signal: string | null }> | undefined} */
  exited;

  /**
   * @param {{
   *   name: string, home: string, portBase: number, args: string[], isCoordinator?: boolean,
   *   variables?: Record<string, string>, httpPort?: number | undefined,
   *   program?: string | undefined,
   * }} options `program` is this clone's unless another one is named.
   */
  constructor({ isCoordinator = true, variables = {}, program = cliPath, ...options }) {
    const { name, home, portBase, args, httpPort } = options;
    this.program = program;
    this.httpPort = httpPort ?? 3000 + portBase;
    this.variables = variables;
    this.isCoordinator = isCoordinator;
    this.name = name;
    this.home = home;
    this.portBase = portBase;
    this.args = args;
    mkdirSync(home, { recursive: true });
  }

  get pid() {
    return this.child?.pid;
  }

  get httpUrl() {
    return `http://127.0.0.1:${this.httpPort}`;
  }

  get metricsUrl() {
    return `http://127.0.0.1:${9090 + this.portBase}`;
  }

  start(args = this.args) {
    const log = openSync(join(this.home, "daemon.out"), "a");
    this.child = remembered(
      spawn(process.execPath, [this.program, ...args], {
        env: environment(this.home, this.variables),
        cwd: this.home,
        stdio: ["ignore", log, log],
      }),
    );
    closeSync(log);
    this.exited = new Promise((resolve) => {
      this.child.once("exit", (code, signal) => resolve({ code, signal }));
    });
  }

  async kill(signal = "SIGKILL") {
    this.child?.kill(signal);
    await this.exited;
  }

  /** Waits until the last door that it opens answers. Throws with the daemon's last words. */
  async ready(timeoutMs = READY_MS) {
    const url = this.isCoordinator ? this.httpUrl : this.metricsUrl;
    const endMs = Date.now() + timeoutMs;
    let answered = "nothing";
    while (Date.now() < endMs && this.#isRunning) {
      try {
        const answer = await fetch(`${url}/health/ready`);
        answered = `${answer.status} ${await answer.text()}`;
        // Commands find a coordinator by the file that it writes last.
        const isFound = !this.isCoordinator || existsSync(join(this.home, "run", "node.json"));
        if (answer.ok && isFound) return;
      } catch {
        // Not listening yet.
      }
      await sleep(50);
    }
    const why = this.#isRunning ? `${url}/health/ready answered ${answered}` : "its process ended";
    throw new Error(`${this.name} did not get ready: ${why}; it said: ${this.lastWords()}`);
  }

  get #isRunning() {
    return this.child?.exitCode === null && this.child.signalCode === null;
  }

  lastWords() {
    return readFileSync(join(this.home, "daemon.out"), "utf8").slice(-TOLD_CHARACTERS_MAX).trim();
  }
}

/** Coordinators and storage nodes, all of them real processes. */
export class MeshProcesses {
  /** The first one, which made the member. @type {MeshProcess} */
  coordinator;
  /** All of them, the first one included. @type {MeshProcess[]} */
  coordinators = [];
  /** @type {MeshProcess[]} */
  nodes = [];
  /** Of its daemons; commands are this clone's. @type {string | undefined} */
  program;

  /**
   * Several coordinators need a store that they share: `store` is then `etcd`, and each further
   * coordinator keeps chunks too.
   * @param {{
   *   folder: string, storageNodes?: number, coordinators?: number, store?: string,
   *   portBase?: number, extra?: string[], coordinatorExtra?: string[], names?: string[],
   *   httpPorts?: number[], program?: string | undefined,
   * }} options `names` and `httpPorts` are of the coordinator and the storage nodes, in this order.
   */
  static async start(options) {
    const { folder, storageNodes = 3, coordinators = 1, portBase, extra = [] } = options;
    const { store = process.env.MESH_TEST_STORE ?? "sqlite", coordinatorExtra = [] } = options;
    const { names = [], httpPorts = [] } = options;
    const base = portBase ?? (await freePortBase(storageNodes + coordinators));
    const mesh = new MeshProcesses();
    mesh.program = options.program;
    const httpFlags = (index) =>
      httpPorts[index] === undefined ? [] : ["--http-port", String(httpPorts[index])];
    const flags = (index) => [
      ...["--port-base", String(base + index * PORT_STEP)],
      ...httpFlags(index),
      ...extra,
    ];
    const coordinatorFlags = ["--store", store, ...coordinatorExtra];
    mesh.coordinator = new MeshProcess({
      name: names[0] ?? "coordinator",
      home: join(folder, names[0] ?? "coordinator"),
      portBase: base,
      httpPort: httpPorts[0],
      args: [
        ...["up", "--member", "alice", "--name", names[0] ?? "alice-coordinator"],
        ...["--role", "coordinator", "--role", "gateway", ...flags(0), ...coordinatorFlags],
      ],
      isCoordinator: true,
      program: mesh.program,
    });
    mesh.coordinators.push(mesh.coordinator);
    mesh.coordinator.start();
    try {
      await mesh.coordinator.ready();
      for (let index = 1; index < coordinators; index++) {
        const at = storageNodes + index;
        const name = `alice-coordinator-${index + 1}`;
        await mesh.addCoordinator(join(folder, name), name, [...flags(at), ...coordinatorExtra]);
      }
      for (let index = 1; index <= storageNodes; index++) {
        const home = join(folder, names[index] ?? `node-0${index}`);
        await mesh.addNode(home, names[index] ?? `alice-node-0${index}`, flags(index));
      }
      const stored = storageNodes + coordinators - 1;
      await mesh.until((status) => status.totals.online >= stored, "the storage nodes");
      return mesh;
    } catch (error) {
      // Nobody else could: the caller has no mesh yet.
      await Promise.all(mesh.processes.map((process) => process.kill("SIGKILL")));
      throw error;
    }
  }

  async addNode(home, name, flags) {
    const node = await this.#join(home, name, flags, ["storage"]);
    this.nodes.push(node);
    return node;
  }

  /** Ready when this resolves. */
  async addCoordinator(home, name, flags) {
    const coordinator = await this.#join(home, name, flags, ["coordinator", "gateway", "storage"]);
    this.coordinators.push(coordinator);
    await coordinator.ready();
    return coordinator;
  }

  async #join(home, name, flags, roles) {
    const asked = roles.flatMap((role) => ["--role", role]);
    const generate = ["invite", "generate", "--node", ...asked, "--json"];
    const invite = JSON.parse(await meshOk(this.coordinator.home, generate));
    const portBase = Number(flags[flags.indexOf("--port-base") + 1]);
    const args = ["up", "--capacity", "4GB", ...flags];
    const isCoordinator = roles.includes("coordinator");
    const at = flags.indexOf("--http-port");
    const httpPort = at < 0 ? undefined : Number(flags[at + 1]);
    const { program } = this;
    const node = new MeshProcess({ name, home, portBase, args, isCoordinator, httpPort, program });
    await meshOk(home, ["join", "-", "--name", name, "--no-start"], { input: invite.code });
    node.start();
    return node;
  }

  async status() {
    const answer = await fetch(`${this.coordinator.httpUrl}/api/status`);
    if (!answer.ok) throw new Error(`status answered ${answer.status}`);
    return answer.json();
  }

  /**
   * Waits until the status satisfies the condition.
   * @param {(status: any) => boolean} condition
   * @param {string} what
   */
  async until(condition, what, timeoutMs = 60_000) {
    const endMs = Date.now() + timeoutMs;
    let last;
    while (Date.now() < endMs) {
      // The coordinator itself may be starting.
      last = await this.status().catch((error) => error.message);
      if (typeof last === "object" && condition(last)) return last;
      await sleep(100);
    }
    throw new Error(`timed out waiting for ${what}; last: ${JSON.stringify(last)}`);
  }

  get processes() {
    return [...this.coordinators, ...this.nodes];
  }

  async stop() {
    await Promise.all(this.processes.map((process) => process.kill("SIGTERM")));
  }
}
