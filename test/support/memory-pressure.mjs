/**
 * Loaded into a daemon before anything else (`NODE_OPTIONS=--import=...`): the system seems to have
 * hardly any memory left while a process of its own holds an engine, and as much as it has once
 * that is gone. A test cannot use up the memory of the machine that it shares; all else is real.
 * It begins when the file that `MEMORY_PRESSURE_FILE` names is there.
 */
import { existsSync, readdirSync, readFileSync } from "node:fs";
import promises from "node:fs/promises";
import { syncBuiltinESMExports } from "node:module";

const { readFile } = promises;

function hasEngine() {
  const tasks = readdirSync("/proc/self/task");
  const children = tasks.flatMap((task) =>
    readFileSync(`/proc/self/task/${task}/children`, "utf8").split(" ").filter(Boolean),
  );
  return children.some((pid) => {
    try {
      return readFileSync(`/proc/${pid}/cmdline`, "utf8").includes("worker-main.js");
    } catch {
      return false;
    }
  });
}

promises.readFile = async (path, ...options) => {
  const content = await readFile(path, ...options);
  if (path !== "/proc/meminfo") return content;
  if (!existsSync(process.env.MEMORY_PRESSURE_FILE ?? "") || !hasEngine()) return content;
  return content.replace(/^MemAvailable:.*$/m, "MemAvailable: 1024 kB");
};
syncBuiltinESMExports();
