/** A machine of the lab: a namespace with a cable, and one built daemon with a home of its own. */
import { execFile } from "node:child_process";
import { closeSync, mkdirSync, openSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { endOf, LineChild } from "./mesh-lab-namespace.mjs";

const beside = (name) => fileURLToPath(new URL(name, import.meta.url));
const CLI = beside("../../packages/cli/bin/mesh.js");
const CLOCK = beside("mesh-lab-clock.mjs");
const START_MS_MAX = 90_000;

/** Variables of the caller must not leak into the daemons. */
function environment(home, added = {}) {
  const kept = Object.entries(process.env).filter(
    ([name]) => !/^(MESH|COLLECTIVE)_/.test(name) && name !== "LOG_LEVEL",
  );
  return { ...Object.fromEntries(kept), ...added, MESH_HOME: home, NO_COLOR: "1" };
}

/**
 * @typedef {object} Answer
 * @property {number} status
 * @property {Record<string, string>} headers
 * @property {Buffer} body
 */

export class LabMachine {
  #daemon;
  /** Of `mesh up`. */
  args = ["up"];
  /** Everything that runs in the machine beside the daemon. */
  #helpers = [];

  constructor({ name, home, namespace, port, agent }) {
    this.name = name;
    this.home = home;
    this.namespace = namespace;
    this.port = port;
    this.agent = agent;
  }

  /** @param {{ name: string, folder: string, network: any, lan: any }} options */
  static async create({ name, folder, network, lan }) {
    const home = join(folder, name);
    mkdirSync(home, { recursive: true });
    const namespace = await network.namespace();
    const port = await network.plug(namespace, lan);
    const options = { stdio: ["pipe", "pipe", "pipe"] };
    const script = beside("mesh-lab-agent.mjs");
    const agent = new LineChild(namespace.spawn([process.execPath, script], options));
    return new LabMachine({ name, home, namespace, port, agent });
  }

  get address() {
    return this.port.address;
  }

  get pid() {
    return this.#daemon?.pid;
  }

  /** Whether the daemon's process is there; it may be stopped by a signal. */
  get isUp() {
    const { exitCode = 0, signalCode = null } = this.#daemon ?? {};
    return this.#daemon !== undefined && exitCode === null && signalCode === null;
  }

  /** Starts the daemon; see `ready`. Its words go to `daemon.out` in its home. */
  start(args = this.args) {
    this.args = args;
    const out = openSync(join(this.home, "daemon.out"), "a");
    this.#daemon = this.namespace.spawn([process.execPath, "--import", CLOCK, CLI, ...args], {
      env: environment(this.home, { HEARTHMESH_LAB_CLOCK: this.#clockPath }),
      cwd: this.home,
      stdio: ["ignore", out, out],
    });
    closeSync(out);
  }

  /** Resolves when its local API says that it is ready. */
  async ready(timeoutMs = START_MS_MAX) {
    const path = "/health/live";
    const endMs = performance.now() + timeoutMs;
    while (this.isUp && performance.now() < endMs) {
      const { status } = await this.get(path).catch(() => ({ status: 0 }));
      if (status === 200) return;
      await sleep(50);
    }
    const words = readFileSync(join(this.home, "daemon.out"), "utf8").slice(-2000);
    throw new Error(`${this.name} did not get ready: ${words}`);
  }

  signal(name) {
    this.#daemon?.kill(name);
  }

  /** Ends the daemon and resolves when it is gone. */
  async stop(signal = "SIGTERM") {
    if (this.#daemon === undefined) return;
    // A stopped process takes no other signal than this one.
    if (signal === "SIGTERM") this.signal("SIGCONT");
    await endOf(this.#daemon, signal);
  }

  kill() {
    return this.stop("SIGKILL");
  }

  async restart() {
    await this.stop();
    this.start();
    await this.ready();
  }

  /** The process stands still, as in a machine that swaps or is suspended. */
  freeze() {
    this.signal("SIGSTOP");
  }

  thaw() {
    this.signal("SIGCONT");
  }

  get #clockPath() {
    return join(this.home, "clock-shift");
  }

  /** Sets this machine's time of day, from the daemon's view. */
  shiftClock(ms) {
    writeFileSync(this.#clockPath, String(ms));
  }

  /** What `.env` in the daemon's folder says. */
  writeEnv(values) {
    const lines = Object.entries(values).map(([name, value]) => `${name}=${value}\n`);
    writeFileSync(join(this.home, ".env"), lines.join(""));
  }

  /**
   * One command of the CLI on this machine. Throws with its words when it fails.
   * @param {string[]} args
   * @param {string} [input]
   * @param {string} [home] of a person on this machine; default: that of the node
   * @returns {Promise<string>}
   */
  cli(args, input, home = this.home) {
    const target = ["--target", String(this.namespace.pid), "--net", "--mount"];
    const enter = [...target, `--wd=${this.home}`, "--"];
    const command = [...enter, process.execPath, CLI, ...args];
    const options = { env: environment(home), cwd: home };
    return new Promise((resolve, reject) => {
      const child = execFile("nsenter", command, options, (error, stdout, stderr) => {
        if (error === null) resolve(stdout);
        else reject(new Error(`mesh ${args.join(" ")} on ${this.name}: ${stderr}`));
      });
      child.stdin?.on("error", () => {}).end(input);
    });
  }

  /**
   * A request to the local API, from this machine itself.
   * @param {string} path
   * @param {{ method?: string, headers?: Record<string, string>, body?: string | Uint8Array,
   *   host?: string, port?: number }} [options]
   * @returns {Promise<Answer>}
   */
  async request(path, { body, ...options } = {}) {
    const sent = body === undefined ? {} : { body: Buffer.from(body).toString("base64") };
    const answer = await this.agent.ask("request", { path, ...options, ...sent });
    return { ...answer, body: Buffer.from(answer.body, "base64") };
  }

  get(path) {
    return this.request(path);
  }

  /** @returns {Promise<any>} */
  json(path) {
    return this.agent.ask("json", { path });
  }

  /** Starts a script of this folder in the machine; it ends with the machine. */
  helper(script, args = []) {
    const options = { stdio: ["pipe", "pipe", "pipe"] };
    const command = [process.execPath, beside(script), ...args];
    const child = new LineChild(this.namespace.spawn(command, options));
    this.#helpers.push(child);
    return child;
  }

  /** Lines of the daemon's log, parsed: `{ level, msg, ... }`. */
  log() {
    return readFileSync(join(this.home, "logs", "node.log"), "utf8")
      .split("\n")
      .filter((line) => line.startsWith("{"))
      .map((line) => JSON.parse(line));
  }

  async close() {
    const helpers = [this.agent, ...this.#helpers];
    await Promise.all([this.kill(), ...helpers.map((helper) => helper.close())]);
  }
}
