/**
 * A machine's own network on this machine: a network namespace that lives as long as the process
 * that holds it. All processes in it die with the one that made it, so that nothing is left over.
 */
import { execFile, spawn } from "node:child_process";
import { createInterface } from "node:readline";

export class Namespace {
  #holder;

  constructor(holder) {
    this.#holder = holder;
  }

  /** Its loopback is up, and `/sys` shows its own interfaces. */
  static async create() {
    // `cat` ends when this process does.
    const script = "mount -t sysfs none /sys && ip link set lo up && echo ready && exec cat";
    const holder = spawn("unshare", ["--net", "--mount", "sh", "-c", script]);
    await new Promise((resolve, reject) => {
      let words = "";
      holder.stderr.on("data", (text) => {
        words += text;
      });
      holder.stdout.once("data", resolve);
      holder.once("exit", () => reject(new Error(`the namespace cannot be held: ${words}`)));
      holder.once("error", reject);
    });
    return new Namespace(holder);
  }

  /** Of the process that holds it; `ip link ... netns PID` takes it. */
  get pid() {
    return this.#holder.pid;
  }

  /**
   * Starts a process that is killed with this one. Its id is that of the command itself.
   * @param {string[]} command
   * @param {import("node:child_process").SpawnOptions} [options]
   */
  spawn(command, options = {}) {
    // Entering a mount namespace forgets the folder that one stands in.
    const folder = options.cwd === undefined ? [] : [`--wd=${options.cwd}`];
    const target = ["--target", String(this.pid), "--net", "--mount"];
    const enter = ["nsenter", ...target, ...folder, "--"];
    return spawn("setpriv", ["--pdeathsig", "KILL", ...enter, ...command], options);
  }

  /**
   * Runs to the end and gives the output. Rejects when the status is not zero.
   * @param {string[]} command
   * @param {string} [input]
   * @returns {Promise<string>}
   */
  run(command, input) {
    const [program, ...rest] = ["nsenter", "--target", String(this.pid), "--net", "--mount", "--"];
    return new Promise((resolve, reject) => {
      const child = execFile(program, [...rest, ...command], (error, stdout, stderr) => {
        if (error === null) resolve(stdout);
        else reject(new Error(`${command.join(" ")}: ${stderr || error.message}`));
      });
      // It may be over before its input is read.
      child.stdin?.on("error", () => {}).end(input);
    });
  }

  /**
   * Several commands at the cost of one process: a line each, for `sh`; the first error ends it.
   */
  script(lines) {
    return this.run(["sh", "-e"], lines.join("\n"));
  }

  async close() {
    await endOf(this.#holder, "SIGKILL");
  }
}

/** Sends the signal unless the process is gone, and resolves when it is gone. */
export async function endOf(child, signal) {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const gone = new Promise((resolve) => child.once("exit", resolve));
  child.kill(signal);
  await gone;
}

/** The near end of a script that answers lines of JSON (`json-answers.mjs`). */
export class LineChild {
  #child;
  #waiting = new Map();
  #nextId = 1;
  #words = "";

  constructor(child) {
    this.#child = child;
    createInterface({ input: child.stdout }).on("line", (line) => {
      const answer = JSON.parse(line);
      this.#waiting.get(answer.id)?.(answer);
      this.#waiting.delete(answer.id);
    });
    child.stderr.on("data", (text) => {
      this.#words += text;
    });
    child.stdin.on("error", () => {});
    child.once("close", () => {
      const error = { code: "CHILD_ENDED", message: `the helper ended: ${this.#words}` };
      for (const settle of this.#waiting.values()) settle({ error });
      this.#waiting.clear();
    });
  }

  get pid() {
    return this.#child.pid;
  }

  /**
   * @param {string} operation
   * @param {object} [details]
   * @returns {Promise<any>}
   */
  async ask(operation, details = {}) {
    const id = this.#nextId++;
    const answer = await new Promise((resolve) => {
      this.#waiting.set(id, resolve);
      this.#child.stdin.write(`${JSON.stringify({ id, operation, ...details })}\n`);
    });
    if (answer.error === undefined) return answer.value;
    throw Object.assign(new Error(answer.error.message), { code: answer.error.code });
  }

  async close() {
    await endOf(this.#child, "SIGKILL");
  }
}
