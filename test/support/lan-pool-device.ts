/**
 * A device of the LAN pool guide: a machine of the lab with a HOME and a clone of its own, in which
 * commands are run as somebody would paste them into a terminal.
 */
import type { ChildProcess } from "node:child_process";
import {
  copyFileSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  symlinkSync,
} from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import type { LabMachine } from "./mesh-lab-machine.mjs";
import { endOf } from "./mesh-lab-namespace.mjs";

const root = fileURLToPath(new URL("../../", import.meta.url));
/** The scripts are copies, so that what they write lies beside them; the rest is the clone's. */
const COPIED = ["install.sh", "device1.sh", "device2.sh"];
const LINKED = ["scripts", "packages", "bin", "node_modules", "models", "package.json"];
const WAIT_MS = 60_000;

/** A command that goes on, such as a script that waits for Ctrl+C. */
export interface Running {
  readonly child: ChildProcess;
  /** Standard output and error so far. */
  text(): string;
  /** Resolves when the words have come; rejects when the command ended first. */
  says(words: RegExp): Promise<RegExpExecArray>;
  /** As Ctrl+C in its terminal does, or to its shell alone; resolves with its exit status. */
  stop(how: "ctrl-c" | "terminate"): Promise<number>;
}

export class LanPoolDevice {
  readonly machine: LabMachine;
  readonly home: string;
  readonly clone: string;
  readonly #running: ChildProcess[] = [];

  /** `attempt` makes another fresh device on the same machine. */
  constructor(machine: LabMachine, attempt: string) {
    this.machine = machine;
    this.home = join(machine.home, attempt, "home");
    this.clone = join(machine.home, attempt, "clone");
    mkdirSync(this.home, { recursive: true });
    mkdirSync(this.clone);
    for (const name of COPIED) copyFileSync(join(root, name), join(this.clone, name));
    for (const name of LINKED) {
      if (existsSync(join(root, name))) symlinkSync(join(root, name), join(this.clone, name));
    }
  }

  get data(): string {
    return join(this.home, ".meshnet");
  }

  /** Runs to its end; rejects with its words when the status is not zero. */
  async run(command: string): Promise<string> {
    const child = this.#spawn(command, "ignore");
    const out = collect(child.stdout);
    const err = collect(child.stderr);
    const code = await new Promise((resolve) => child.once("close", resolve));
    if (code === 0) return out();
    throw new Error(`${command} on ${this.machine.name} ended with ${code}: ${out()}${err()}`);
  }

  /** Starts it, and answers its questions one after the other. */
  start(command: string, answers: readonly string[] = []): Running {
    const child = this.#spawn(command, "pipe");
    child.stdin?.on("error", () => {});
    child.stdin?.end(answers.map((line) => `${line}\n`).join(""));
    const out = collect(child.stdout);
    const err = collect(child.stderr);
    const text = () => `${out()}${err()}`;
    const ended = new Promise<number>((resolve) => {
      child.once("exit", (code, signal) => resolve(code ?? (signal === "SIGINT" ? 130 : 143)));
    });
    const says = async (words: RegExp) => {
      const endMs = performance.now() + WAIT_MS;
      for (;;) {
        const found = words.exec(text());
        if (found !== null) return found;
        const isOver = child.exitCode !== null || child.signalCode !== null;
        if (isOver || performance.now() > endMs) {
          throw new Error(`${command} on ${this.machine.name} did not say ${words}: ${text()}`);
        }
        await sleep(20);
      }
    };
    const stop = (how: "ctrl-c" | "terminate") => {
      if (how === "ctrl-c") process.kill(-(child.pid ?? 0), "SIGINT");
      else child.kill("SIGTERM");
      return ended;
    };
    return { child, text, says, stop };
  }

  /** Commands of the processes in this machine, but for the lab's own. */
  processes(): string[] {
    const own = readlinkSync(`/proc/${this.machine.namespace.pid}/ns/net`);
    const lab = [this.machine.namespace.pid, this.machine.agent.pid];
    return readdirSync("/proc").flatMap((name) => {
      if (!/^\d+$/.test(name) || lab.includes(Number(name))) return [];
      try {
        if (readlinkSync(`/proc/${name}/ns/net`) !== own) return [];
        return [readFileSync(`/proc/${name}/cmdline`, "utf8").replaceAll("\0", " ")];
      } catch {
        // It has ended meanwhile.
        return [];
      }
    });
  }

  async close(): Promise<void> {
    for (const child of this.#running) {
      try {
        process.kill(-(child.pid ?? 0), "SIGKILL");
      } catch {
        // It has ended, and all of its group.
      }
    }
    await Promise.all(this.#running.map((child) => endOf(child, "SIGKILL")));
  }

  /** In a process group of its own, as a shell gives it to a command of a terminal. */
  #spawn(command: string, stdin: "ignore" | "pipe"): ChildProcess {
    const script = `[ ! -e ~/.bashrc ] || . ~/.bashrc\n${command}\n`;
    const { PATH } = process.env;
    const env = { HOME: this.home, PATH, SHELL: "/bin/bash", LANG: "C.UTF-8" };
    const child = this.machine.namespace.spawn(["bash", "-c", script], {
      env,
      cwd: this.clone,
      detached: true,
      stdio: [stdin, "pipe", "pipe"],
    });
    this.#running.push(child);
    return child;
  }
}

function collect(stream: ChildProcess["stdout"]): () => string {
  let text = "";
  stream?.on("data", (piece) => {
    text += String(piece);
  });
  return () => text;
}
