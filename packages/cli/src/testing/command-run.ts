/** A command as typed at a terminal, for tests. */
import { PassThrough } from "node:stream";
import { systemClock, systemRandom } from "@hearthmesh/core";
import { type Cli, createCli } from "../cli.js";
import type { MeshCommand } from "../command.js";

/** What it printed on standard output. Rejects with its error. */
export async function runCommand(
  home: string,
  make: (cli: Cli) => MeshCommand,
  args: readonly string[],
): Promise<string> {
  const [stdin, stdout, stderr] = [new PassThrough(), new PassThrough(), new PassThrough()];
  const cli = createCli({
    env: { MESH_HOME: home, PATH: process.env.PATH },
    cwd: home,
    streams: { stdin, stdout, stderr },
    clock: systemClock(),
    random: systemRandom(),
    signal: new AbortController().signal,
  });
  await make(cli).exitOverride().parseAsync(args, { from: "user" });
  return String(stdout.read() ?? "");
}
