/** Where the program starts: hands the real terminal, environment and clock to the commands. */
import { setMaxListeners } from "node:events";
import { basename } from "node:path";
import { systemClock, systemRandom } from "@hearthmesh/core";
import { createCli } from "./cli.js";
import { isDaemonCommand } from "./daemon-program.js";
import { runCli } from "./run.js";
import { PROGRAM_NAMES } from "./single-programs.js";

const interruption = new AbortController();
// Every file and call under way listens to it.
setMaxListeners(0, interruption.signal);
const started = basename(process.argv[1] ?? "mesh", ".js");
const name = PROGRAM_NAMES.find((known) => known === started) ?? "mesh";
/** The daemon ends itself on signals, and more thoroughly. */
const isDaemon = name.startsWith("mesh-") || isDaemonCommand(process.argv[2]);
if (!isDaemon) process.once("SIGINT", () => interruption.abort());

// Whoever read our output has gone (`| head`): that is no failure.
process.stdout.on("error", (error: NodeJS.ErrnoException) => {
  if (error.code !== "EPIPE") throw error;
});

const cli = createCli({
  env: process.env,
  cwd: process.cwd(),
  streams: process,
  clock: systemClock(),
  random: systemRandom(),
  signal: interruption.signal,
});
// Timers of the clock keep no process alive, and a command that waits may have nothing else.
const alive = setInterval(() => undefined, 2 ** 31 - 1);
process.exitCode = await runCli(cli, process.argv.slice(2), name);
clearInterval(alive);
