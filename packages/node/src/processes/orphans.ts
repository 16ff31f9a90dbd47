/**
 * Children that an earlier daemon left behind: one that was killed cannot stop them. They are known
 * by their command line, so that no file has to be right about it; and by the time at which they
 * began, so that a process that got the number of one meanwhile is left alone. Linux tells both in
 * /proc (proc(5)), other systems the command lines through `ps`.
 */
import { execFile } from "node:child_process";
import { readdir, readFile } from "node:fs/promises";
import { basename } from "node:path";
import { type Clock, type ErrorCode, type Logger, MeshError, sleep } from "@hearthmesh/core";
import { describeProcess } from "../home-lock.js";
import { CHILD_STOP_MS_MAX, ORPHANS_MAX } from "./limits.js";

const LOOK_MS = 50;
const PS_BYTES_MAX = 16 << 20;

export interface OrphanKind {
  /** File name of the program, such as `etcd`. */
  readonly program: string;
  /** A word of its command line that no other node's child has. */
  readonly word: string;
}

export interface OrphanOptions extends OrphanKind {
  /** What they hold, for messages. */
  readonly holds: string;
  /** Of the error when one cannot be ended. */
  readonly code: ErrorCode;
  readonly clock: Clock;
  readonly log: Logger;
}

/** Ends every process of that kind, and returns how many there were. */
export async function endOrphans(options: OrphanOptions): Promise<number> {
  const found = (await processesOf(options)).slice(0, ORPHANS_MAX);
  for (const pid of found) {
    const { program, log } = options;
    log.warn(`ending the ${program} that an earlier daemon left behind (process ${pid})`);
    await endProcess(pid, options);
  }
  return found.length;
}

/** The ids of all processes of that kind. */
export async function processesOf(kind: OrphanKind): Promise<number[]> {
  const lines = process.platform === "linux" ? await procCommands() : await psCommands();
  return lines
    .filter(({ pid, words }) => pid !== process.pid && isOfKind(words, kind))
    .map(({ pid }) => pid);
}

interface Command {
  pid: number;
  words: readonly string[];
}

function isOfKind([path, ...words]: readonly string[], { program, word }: OrphanKind): boolean {
  return basename(path ?? "") === program && words.includes(word);
}

async function procCommands(): Promise<Command[]> {
  const names = (await readdir("/proc")).filter((name) => /^\d+$/.test(name));
  const commands = await Promise.all(
    names.map(async (name) => {
      // Gone meanwhile, or of another user.
      const text = await readFile(`/proc/${name}/cmdline`, "utf8").catch(() => "");
      return { pid: Number(name), words: text.split("\0") };
    }),
  );
  return commands;
}

/** A directory with spaces in its name is not recognised here. */
function psCommands(): Promise<Command[]> {
  return new Promise((resolve) => {
    const args = ["-axww", "-o", "pid=,args="];
    execFile("ps", args, { maxBuffer: PS_BYTES_MAX }, (_error, stdout) => {
      const lines = stdout.split("\n").map((line) => line.trim().split(/\s+/));
      resolve(lines.map(([pid, ...words]) => ({ pid: Number(pid), words })));
    });
  });
}

async function endProcess(pid: number, options: OrphanOptions): Promise<void> {
  const { clock, program, holds, code } = options;
  const { startedAt } = describeProcess(pid);
  const isThere = async () =>
    describeProcess(pid).startedAt === startedAt && (await processesOf(options)).includes(pid);
  for (const signal of ["SIGTERM", "SIGKILL"] as const) {
    if (!(await isThere())) return;
    send(pid, signal, options);
    const deadlineMs = clock.monotonicMs() + CHILD_STOP_MS_MAX;
    while (clock.monotonicMs() < deadlineMs) {
      if (!(await isThere())) return;
      await sleep(clock, LOOK_MS);
    }
  }
  throw new MeshError(code, {
    message: `process ${pid} is ${program} on ${holds} and cannot be ended`,
    hint: "End it yourself, then start again.",
  });
}

function send(pid: number, signal: NodeJS.Signals, { program, code }: OrphanOptions): void {
  try {
    process.kill(pid, signal);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ESRCH") return;
    throw new MeshError(code, {
      message: `process ${pid} is ${program} of this node and belongs to another user`,
      hint: "End it, or start this node as the user who owns it.",
      cause: error,
    });
  }
}
