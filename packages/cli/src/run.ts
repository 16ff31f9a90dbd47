/**
 * Runs one command line and says with which status to end. Never throws, never ends the process.
 */
import { CommanderError } from "commander";
import type { Cli } from "./cli.js";
import type { MeshCommand } from "./command.js";
import { daemonProgram } from "./daemon-program.js";
import { ExitStatus } from "./exit-status.js";
import { reportFailure, usageError } from "./failures.js";
import { unflattened } from "./flat-commands.js";
import { singleProgram } from "./single-programs.js";

/** `args` without the program's own name. */
export async function runCli(cli: Cli, args: readonly string[], name = "mesh"): Promise<number> {
  const program =
    (await singleProgram(cli, name)) ??
    (await daemonProgram(cli, name, args[0])) ??
    (await import("./program.js")).buildProgram(cli, name);
  prepare(cli, program);
  try {
    const line = args[0] === "--version" || args[0] === "-V" ? ["version"] : unflattened(args);
    await program.parseAsync(line, { from: "user" });
    return cli.signal.aborted ? 130 : 0;
  } catch (error) {
    if (error instanceof ExitStatus) return error.status;
    if (!(error instanceof CommanderError)) return reportFailure(cli, error);
    if (error.exitCode === 0) return 0;
    return reportFailure(cli, usageError(error.message.replace(/^error: /, "")));
  }
}

/** Commander must neither end the process nor print errors in a form of its own. */
function prepare(cli: Cli, command: MeshCommand): void {
  command.exitOverride();
  command.configureOutput({
    writeOut: (text) => void cli.stdout.write(text),
    writeErr: (text) => void cli.stderr.write(text),
    outputError: () => undefined,
    getOutHasColors: () => cli.colours.isColorSupported,
  });
  for (const inner of command.commands) prepare(cli, inner as MeshCommand);
}
