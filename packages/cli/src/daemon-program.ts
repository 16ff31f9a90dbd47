/**
 * The program of a process that stays: it holds the one command that was asked for. The other
 * commands would take memory for as long as the daemon runs.
 */
import type { Cli } from "./cli.js";
import { commandGroup, type MeshCommand } from "./command.js";

type MakeCommand = (cli: Cli) => MeshCommand;

/** The first word of a command line -> the command that stays. */
const LOADERS: ReadonlyMap<string, () => Promise<MakeCommand>> = new Map([
  ["up", async () => (await import("./commands/up.js")).upCommand],
  ["start", async () => (await import("./commands/up.js")).startCommand],
  ["join", async () => (await import("./commands/join.js")).joinCommand],
  ["relay", async () => (await import("./commands/relay.js")).relayCommand],
  ["control-plane", async () => (await import("./commands/control-plane.js")).controlPlaneCommand],
]);

/** Whether the process of this command ends itself on signals. */
export function isDaemonCommand(word: string | undefined): boolean {
  return word !== undefined && LOADERS.has(word);
}

/** Undefined for a command that ends: that is one of the whole program. */
export async function daemonProgram(
  cli: Cli,
  name: string,
  word: string | undefined,
): Promise<MeshCommand | undefined> {
  const load = word === undefined ? undefined : LOADERS.get(word);
  if (load === undefined) return undefined;
  const command = (await load())(cli);
  return commandGroup(name, "", [command]).enablePositionalOptions() as MeshCommand;
}
