/**
 * An etcd that an earlier daemon left behind: one that was killed cannot stop its child, which then
 * holds the data directory. It is known by its command line, so that no file has to be right about
 * it. Linux tells the command lines in /proc (proc(5)), other systems through `ps`.
 */
import { execFile } from "node:child_process";
import { readdir, readFile } from "node:fs/promises";
import { basename } from "node:path";
import { type Clock, type Logger, MeshError, sleep } from "@hearthmesh/core";
import { ETCD_ORPHANS_MAX, ETCD_STOP_MS_MAX } from "./limits.js";

const LOOK_MS = 50;
const PS_BYTES_MAX = 16 << 20;

export interface OrphanOptions {
  dataDirectory: string;
  clock: Clock;
  log: Logger;
}

/** Ends every etcd that runs on this data directory, and returns how many there were. */
export async function endOrphans(options: OrphanOptions): Promise<number> {
  const { dataDirectory, log } = options;
  const found = (await etcdProcesses(dataDirectory)).slice(0, ETCD_ORPHANS_MAX);
  for (const pid of found) {
    log.warn(`ending the etcd that an earlier daemon left behind (process ${pid})`);
    await endProcess(pid, options);
  }
  return found.length;
}

/** The ids of all processes that are an etcd on this data directory. */
export async function etcdProcesses(dataDirectory: string): Promise<number[]> {
  const lines = process.platform === "linux" ? await procCommands() : await psCommands();
  return lines
    .filter(({ pid, words }) => pid !== process.pid && isEtcdOn(words, dataDirectory))
    .map(({ pid }) => pid);
}

interface Command {
  pid: number;
  words: readonly string[];
}

function isEtcdOn([program, ...words]: readonly string[], dataDirectory: string): boolean {
  return basename(program ?? "") === "etcd" && words.includes(`--data-dir=${dataDirectory}`);
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
  const { clock, dataDirectory } = options;
  const isThere = async () => (await etcdProcesses(dataDirectory)).includes(pid);
  for (const signal of ["SIGTERM", "SIGKILL"] as const) {
    send(pid, signal);
    const deadlineMs = clock.monotonicMs() + ETCD_STOP_MS_MAX;
    while (clock.monotonicMs() < deadlineMs) {
      if (!(await isThere())) return;
      await sleep(clock, LOOK_MS);
    }
  }
  throw new MeshError("MESH_ETCD_FAILED", {
    message: `process ${pid} is an etcd on ${dataDirectory} that cannot be ended`,
    hint: "End it yourself, then start again.",
  });
}

function send(pid: number, signal: NodeJS.Signals): void {
  try {
    process.kill(pid, signal);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ESRCH") return;
    throw new MeshError("MESH_ETCD_FAILED", {
      message: `process ${pid} uses the data of etcd and belongs to another user`,
      hint: "End it, or start this node as the user who owns it.",
      cause: error,
    });
  }
}
