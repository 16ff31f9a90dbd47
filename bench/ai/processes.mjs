/** Processes on cores and in network namespaces of their own, and what they use. */
import { execFileSync, spawn } from "node:child_process";
import { readFileSync } from "node:fs";

/** The most that a process had in memory. */
export function peakMemoryBytes(pid) {
  const status = readFileSync(`/proc/${pid}/status`, "utf8");
  return Number(/VmHWM:\s+(\d+) kB/.exec(status)?.[1] ?? 0) * 1024;
}

/** Ticks of the kernel's process times. */
const TICKS_PER_SECOND = 100;

/** Processor time that a process has used, all its threads together. */
export function processorMs(pid) {
  const fields = readFileSync(`/proc/${pid}/stat`, "utf8").split(") ")[1].split(" ");
  // `utime` and `stime`, which are fields 14 and 15 counted from 1.
  return ((Number(fields[11]) + Number(fields[12])) * 1000) / TICKS_PER_SECOND;
}

/** The command of a program on these cores, in this namespace. */
function command(program, args, { cores, namespace }) {
  const pinned = cores === undefined ? [] : ["taskset", "-c", cores];
  const inside = namespace === undefined ? [] : ["ip", "netns", "exec", namespace];
  return [...inside, ...pinned, program, ...args];
}

/** Runs a program to its end and gives what it wrote. */
export function runProgram(path, args, where = {}) {
  const [program, ...rest] = command(path, args, where);
  const stdio = ["ignore", "pipe", "ignore"];
  return execFileSync(program, rest, { encoding: "utf8", stdio, timeout: 600_000 });
}

/** Starts a program that writes to nobody. Its process is the program itself: each step execs. */
export function startProgram(path, args, where = {}) {
  const [program, ...rest] = command(path, args, where);
  return spawn(program, rest, { stdio: "ignore" });
}

/** Runs `node` to its end and gives the JSON on its last line. */
export function runNode(args, where = {}) {
  const [program, ...rest] = command(process.execPath, args, where);
  const stdio = ["ignore", "pipe", "inherit"];
  const text = execFileSync(program, rest, { encoding: "utf8", stdio, timeout: 600_000 });
  return JSON.parse(text.trim().split("\n").at(-1));
}

/** Starts `node` with a channel for messages. */
export function startNode(args, where = {}) {
  const [program, ...rest] = command(process.execPath, args, where);
  return spawn(program, rest, {
    stdio: ["ignore", "ignore", "inherit", "ipc"],
    serialization: "advanced",
  });
}
