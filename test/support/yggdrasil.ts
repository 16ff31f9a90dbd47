/** What tests with the real Yggdrasil need, and how they find its processes. */

import { spawnSync } from "node:child_process";
import { closeSync, openSync, readdirSync, readFileSync } from "node:fs";
import { basename } from "node:path";

/** Why this machine cannot run it with an interface; undefined when it can. */
export function whyNoYggdrasil(): string | undefined {
  if (process.platform !== "linux") return "needs Linux";
  if (process.getuid?.() !== 0) return "needs root";
  const PATH = `${process.env.PATH}:/usr/sbin:/usr/local/sbin`;
  const { status } = spawnSync("sh", ["-c", "command -v yggdrasil"], { env: { PATH } });
  if (status !== 0) return "needs the program yggdrasil";
  try {
    closeSync(openSync("/dev/net/tun", "r+"));
  } catch {
    return "needs the device /dev/net/tun";
  }
  return undefined;
}

/** Process ids of all daemons that run with this configuration. */
export function yggdrasilsOf(configFile: string): number[] {
  const ids = readdirSync("/proc").filter((name) => /^\d+$/.test(name));
  return ids.map(Number).filter((pid) => {
    const [program = "", ...words] = commandOf(pid);
    return basename(program) === "yggdrasil" && words.includes(configFile);
  });
}

function commandOf(pid: number): string[] {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, "utf8").split("\0");
  } catch {
    // Gone meanwhile.
    return [];
  }
}
