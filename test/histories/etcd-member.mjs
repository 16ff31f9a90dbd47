/** A member of an etcd cluster as a process, wherever its network, disk and clock are. */
import { spawn } from "node:child_process";
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as wait } from "node:timers/promises";
import { ETCD_SERVER_LIMIT_FLAGS } from "@hearthmesh/store";
import { endOf } from "../support/mesh-lab-namespace.mjs";

const START_MS_MAX = 30_000;
const POLL_MS = 20;
const WORDS_KEPT = 16_384;
/** What versions 3.4 and later say when clients are served. */
const SERVES = /ready to serve client requests|serving (?:insecure )?client (?:requests|traffic)/;

export class EtcdMember {
  #folder;
  #child;
  #words = "";

  /**
   * @param {{ name: string, host: string, ports: { client: number, peer: number },
   *   folder: string, inside: (command: string[]) => string[], tlsFlags?: string[] }} options
   */
  constructor({ name, host, ports, folder, inside, tlsFlags = [] }) {
    this.name = name;
    this.endpoint = `${tlsFlags.length > 0 ? "https" : "http"}://${host}:${ports.client}`;
    this.peerUrl = `http://${host}:${ports.peer}`;
    this.inside = inside;
    this.tlsFlags = tlsFlags;
    this.#folder = folder;
    mkdirSync(folder, { mode: 0o700 });
  }

  get folder() {
    return this.#folder;
  }

  get isRunning() {
    return this.#child?.exitCode === null && this.#child.signalCode === null;
  }

  /** With its data of before; `around` adds to where it runs, for this time. */
  start(members, around = (command) => command) {
    const cluster = members.map(({ name, peerUrl }) => `${name}=${peerUrl}`).join();
    const flags = [
      `--name=${this.name}`,
      `--data-dir=${join(this.#folder, "data")}`,
      `--listen-client-urls=${this.endpoint}`,
      `--advertise-client-urls=${this.endpoint}`,
      `--listen-peer-urls=${this.peerUrl}`,
      `--initial-advertise-peer-urls=${this.peerUrl}`,
      `--initial-cluster=${cluster}`,
      "--initial-cluster-state=new",
      ...ETCD_SERVER_LIMIT_FLAGS,
      // Quicker than our defaults: more leaders in a short recording.
      "--heartbeat-interval=50",
      "--election-timeout=500",
      ...this.tlsFlags,
    ];
    const own = Object.entries(process.env).filter(([name]) => !name.startsWith("ETCD_"));
    const [program, ...rest] = around(this.inside(["etcd", ...flags]));
    this.#words = "";
    this.#child = spawn(program, rest, {
      stdio: ["ignore", "pipe", "pipe"],
      env: Object.fromEntries(own),
    });
    for (const output of [this.#child.stdout, this.#child.stderr]) {
      output.on("data", (text) => {
        this.#words = (this.#words + text).slice(-WORDS_KEPT);
      });
    }
    // A program that is missing shows as a member that does not serve.
    this.#child.on("error", (error) => {
      this.#words += error.message;
    });
  }

  async serves() {
    const lastMs = performance.now() + START_MS_MAX;
    while (!SERVES.test(this.#words)) {
      if (!this.isRunning || performance.now() > lastMs) {
        throw new Error(`${this.name} does not serve: ${this.#words.slice(-2000)}`);
      }
      await wait(POLL_MS);
    }
  }

  pause() {
    this.#child.kill("SIGSTOP");
  }

  resume() {
    this.#child.kill("SIGCONT");
  }

  async kill() {
    if (this.#child !== undefined) await endOf(this.#child, "SIGKILL");
  }
}
