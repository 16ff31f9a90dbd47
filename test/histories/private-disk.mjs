/**
 * A small disk in memory that only the processes started with `inside` see: a mount namespace that
 * lives as long as the process that holds it.
 */
import { execFile, spawn, spawnSync } from "node:child_process";
import { promisify } from "node:util";
import { endOf } from "../support/mesh-lab-namespace.mjs";

const execute = promisify(execFile);
const FILLER = "filler";

/** Why this machine cannot make one; undefined when it can. */
export function whyNoPrivateDisk() {
  if (process.platform !== "linux") return "needs Linux";
  if (process.getuid?.() !== 0) return "needs root";
  const mount = ["--mount", "mount", "-t", "tmpfs", "none", "/run"];
  const trial = spawnSync("unshare", mount);
  return trial.status === 0 ? undefined : "needs the right to mount in a namespace of its own";
}

export class PrivateDisk {
  #holder;
  #folder;

  constructor(holder, folder) {
    this.#holder = holder;
    this.#folder = folder;
  }

  /**
   * @param {string} folder
   * @param {number} bytesMax
   */
  static async create(folder, bytesMax) {
    // `cat` ends when this process does.
    const script = 'mount -t tmpfs -o "size=$1,mode=700" none "$2" && echo ready && exec cat';
    const holder = spawn("unshare", ["--mount", "sh", "-c", script, "sh", `${bytesMax}`, folder]);
    await new Promise((resolve, reject) => {
      holder.stdout.once("data", resolve);
      holder.once("exit", () => reject(new Error("the small disk cannot be mounted")));
      holder.once("error", reject);
    });
    return new PrivateDisk(holder, folder);
  }

  /** The command, to run where the disk is seen. */
  inside(command) {
    return ["nsenter", "--target", `${this.#holder.pid}`, "--mount", "--", ...command];
  }

  /** Until nothing more fits. */
  async fill() {
    const write = `of=${this.#folder}/${FILLER}`;
    await this.#run(["dd", "if=/dev/zero", write, "bs=64k"]).catch(() => {});
    await this.#run(["dd", "if=/dev/zero", `${write}-rest`, "bs=512"]).catch(() => {});
  }

  async free() {
    await this.#run(["sh", "-c", 'rm -f "$1"*', "sh", `${this.#folder}/${FILLER}`]);
  }

  async #run(command) {
    const [program, ...rest] = this.inside(command);
    await execute(program, rest);
  }

  async close() {
    await endOf(this.#holder, "SIGKILL");
  }
}
