/**
 * The commands `mesh` and `collective` as a library: `runCli` runs a command line,
 * `describeCommands` and `commandReference` make the reference page.
 *
 * @packageDocumentation
 */
export { type Cli, type CliStreams, createCli } from "./cli.js";
export type { CommandDescription, OptionDescription } from "./describe.js";
export { describeCommands } from "./describe-commands.js";
export { commandReference } from "./reference.js";
export { runCli } from "./run.js";
