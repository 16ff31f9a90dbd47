/** What the demos share: steps with their time, and an end that leaves nothing behind. */
import { rmSync } from "node:fs";
import { say } from "./lib.mjs";

const startedMs = performance.now();

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

/**
 * Runs a demo and ends the program. With `--keep` the processes go on and `explainKeep` says how to
 * use them.
 * @param {{
 *   folder: string, start: () => Promise<any>, show: (started: any) => Promise<void>,
 *   processes: (started: any) => readonly any[], explainKeep: (started: any) => void,
 * }} demo
 */
export async function runDemo({ folder, start, show, processes, explainKeep }) {
  const keep = process.argv.includes("--keep");
  let started;
  let code = 0;
  try {
    started = await start();
    await show(started);
  } catch (error) {
    say(`\n  The demo failed: ${error.message}\n  Logs are in ${folder}`);
    code = 1;
  }
  if (keep && code === 0) {
    explainKeep(started);
    for (const { child } of processes(started)) child.unref();
  } else {
    await started?.stop();
    if (code === 0) rmSync(folder, { recursive: true, force: true });
  }
  const rest = keep ? "" : ", everything was stopped and removed";
  say(code === 0 ? `\n  demo: all is well${rest}` : "");
  process.exit(code);
}
