/** What the demos share: steps with their time, and an end that leaves nothing behind. */
import { rmSync } from "node:fs";
import { constants } from "node:os";
import { setTimeout as sleep } from "node:timers/promises";
import { parseArgs } from "node:util";
import { say } from "./lib.mjs";
import { runningChildren } from "./mesh-processes.mjs";

const startedMs = performance.now();
/** For nodes to stop in order; a node takes less than a second. */
const STOP_MS_MAX = 10_000;

/** What stands behind the name of the script. Throws at what it does not know. */
export function demoArguments(args = process.argv.slice(2)) {
  const { values, positionals } = parseArgs({
    args,
    allowPositionals: true,
    options: { keep: { type: "boolean", default: false }, "http-port": { type: "string" } },
  });
  return { names: positionals, keep: values.keep, httpPort: values["http-port"] };
}

export function step(text) {
  say(`[${((performance.now() - startedMs) / 1000).toFixed(1).padStart(5)} s] ${text}`);
}

/** A line below the last step. */
export function detail(text) {
  say(`          ${text}`);
}

export function fail(text) {
  throw new Error(text);
}

function remove(folder) {
  rmSync(folder, { recursive: true, force: true, maxRetries: 10 });
}

/**
 * Ctrl-C, a `kill`, the end of the terminal or of the pipe that reads leave nothing behind either,
 * whatever the demo is waiting for just now. A second signal does not wait for nodes to stop.
 */
function endWhenTold(folder) {
  let isEnding = false;
  const end = async (signal) => {
    for (const child of runningChildren) {
      child.kill(isEnding ? "SIGKILL" : "SIGTERM");
      // One that stands still would not hear it.
      child.kill("SIGCONT");
    }
    if (isEnding) return;
    isEnding = true;
    const endMs = performance.now() + STOP_MS_MAX;
    while (runningChildren.size > 0 && performance.now() < endMs) await sleep(20);
    for (const child of runningChildren) child.kill("SIGKILL");
    remove(folder);
    if (signal !== "SIGPIPE") say("\n  demo: ended early, everything was stopped and removed");
    process.exit(128 + constants.signals[signal]);
  };
  for (const signal of ["SIGHUP", "SIGINT", "SIGTERM"]) process.on(signal, () => void end(signal));
  process.stdout.on("error", () => void end("SIGPIPE"));
  return () => isEnding;
}

/**
 * Runs a demo and ends the program. With `--keep` the processes go on and `explainKeep` says how to
 * use them.
 * @param {{
 *   folder: string, start: () => Promise<any>, show: (started: any) => Promise<void>,
 *   processes: (started: any) => readonly any[], explainKeep: (started: any) => void,
 * }} demo
 */
export async function runDemo({ folder, start, show, processes, explainKeep }) {
  const { keep } = demoArguments();
  const isEnding = endWhenTold(folder);
  let started;
  let code = 0;
  try {
    started = await start();
    await show(started);
  } catch (error) {
    // What it waited for was stopped under its hands; the signal's own code ends the program.
    if (isEnding()) return;
    const logs = started === undefined ? "" : `\n  Logs are in ${folder}`;
    say(`\n  The demo failed: ${error.message}${logs}`);
    code = 1;
  }
  if (isEnding()) return;
  if (keep && code === 0) {
    explainKeep(started);
    for (const { child } of processes(started)) child.unref();
  } else {
    await started?.stop();
    // Logs of what was started are for whoever looks for the reason.
    if (code === 0 || started === undefined) remove(folder);
  }
  const rest = keep ? "" : ", everything was stopped and removed";
  say(code === 0 ? `\n  demo: all is well${rest}` : "");
  process.exit(code);
}
