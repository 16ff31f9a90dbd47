/** An embedded engine in a process of its own, for a recording, and what can be done to it. */
import { spawn } from "node:child_process";
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { endOf, LineChild } from "../support/mesh-lab-namespace.mjs";
import { PrivateDisk } from "./private-disk.mjs";

const HOST = fileURLToPath(new URL("store-host.mjs", import.meta.url));
const DISK_BYTES_MAX = 24 << 20;
const CALL_TIMEOUT_MS = 2000;
const HOUR_MS = 3_600_000;

export class HostBed {
  #engine;
  #folder;
  #disk;
  #host;
  #line;

  constructor(engine, folder, disk) {
    this.#engine = engine;
    this.#folder = folder;
    this.#disk = disk;
  }

  /**
   * @param {{ engine: string, folder: string, faults: readonly string[] }} options
   */
  static async create({ engine, folder, faults }) {
    const data = join(folder, "data");
    mkdirSync(data);
    const disk = faults.includes("disk")
      ? await PrivateDisk.create(data, DISK_BYTES_MAX)
      : undefined;
    const bed = new HostBed(engine, folder, disk);
    bed.startRevision = await bed.#start();
    return bed;
  }

  /** What each client opens. */
  storeOptions() {
    return { path: join(this.#folder, "socket"), timeoutMs: CALL_TIMEOUT_MS };
  }

  spawnClient(command) {
    const [program, ...rest] = command;
    return spawn(program, rest, { stdio: ["pipe", "pipe", "pipe"] });
  }

  async #start() {
    const command = [process.execPath, HOST];
    const [program, ...rest] = this.#disk?.inside(command) ?? command;
    this.#host = spawn(program, rest, { stdio: ["pipe", "pipe", "pipe"] });
    this.#line = new LineChild(this.#host);
    return await this.#line.ask("open", {
      engine: this.#engine,
      directory: join(this.#folder, "data"),
      path: join(this.#folder, "socket"),
    });
  }

  /** Each begins the fault and gives what ends it. `say` writes a line of the history. */
  faults = {
    kill: async (say) => {
      say("kill", "host", "SIGKILL");
      await endOf(this.#host, "SIGKILL");
      return async () => {
        await this.#start();
        say("restart", "host");
      };
    },
    pause: async (say) => {
      say("pause", "host", "SIGSTOP");
      this.#host.kill("SIGSTOP");
      return async () => {
        this.#host.kill("SIGCONT");
        say("resume", "host");
      };
    },
    disk: async (say) => {
      say("fill", "host", "its disk is full");
      await this.#disk.fill();
      return async () => {
        await this.#disk.free();
        say("free", "host");
      };
    },
    clock: async (say, random, clients) => {
      const shiftMs = random.float() < 0.5 ? HOUR_MS : -HOUR_MS;
      const jump = (name, by) => {
        say("clock", "host and clients", `the time of day is ${name}`);
        return Promise.all([this.#line, ...clients].map((line) => line.ask("jump", by)));
      };
      await jump(`an hour ${shiftMs > 0 ? "ahead" : "behind"}`, { shiftMs });
      return () => jump("right again", { shiftMs: 0 });
    },
  };

  async close() {
    await endOf(this.#host, "SIGKILL");
    await this.#disk?.close();
  }
}
