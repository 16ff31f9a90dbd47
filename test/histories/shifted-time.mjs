/**
 * A time namespace (Linux 5.6): the processes in it see the monotonic and the boot clock ahead or
 * behind. The clocks of the machine stay as they are.
 */
import { spawn, spawnSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { endOf } from "../support/mesh-lab-namespace.mjs";

/** Why this machine has none; undefined when it has. */
export function whyNoShiftedTime() {
  if (process.platform !== "linux") return "needs Linux";
  if (process.getuid?.() !== 0) return "needs root";
  const trial = spawnSync("unshare", ["--time", "--monotonic", "60", "--fork", "true"]);
  return trial.status === 0 ? undefined : "needs time namespaces";
}

/** The farthest that the clock of this machine can be put back, and half of it at most. */
export function secondsBackMax() {
  const [uptime = "0"] = readFileSync("/proc/uptime", "utf8").split(" ");
  return Math.floor(Number(uptime) / 2);
}

export class ShiftedTime {
  #holder;
  #pid;

  constructor(holder, pid) {
    this.#holder = holder;
    this.#pid = pid;
  }

  static async create(seconds) {
    const shift = ["--monotonic", `${seconds}`, "--boottime", `${seconds}`];
    const inside = ["--fork", "--kill-child", "sh", "-c", "echo $$ && exec cat"];
    const holder = spawn("unshare", ["--time", ...shift, ...inside]);
    const pid = await new Promise((resolve, reject) => {
      holder.stdout.once("data", (text) => resolve(Number(text)));
      holder.once("exit", () => reject(new Error("the time namespace cannot be made")));
      holder.once("error", reject);
    });
    return new ShiftedTime(holder, pid);
  }

  inside(command) {
    return ["nsenter", "--target", `${this.#pid}`, "--time", "--", ...command];
  }

  async close() {
    // `cat` and with it the namespace end when nobody can write to it any more.
    this.#holder.stdin.end();
    await endOf(this.#holder, "SIGTERM");
  }
}
