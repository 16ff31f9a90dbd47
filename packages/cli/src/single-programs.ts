/** Programs of one command each, under the names of the LAN pool guide. */
import type { Cli } from "./cli.js";
import type { MeshCommand } from "./command.js";
import { relayCommand } from "./commands/relay.js";

/** Names under which the program may be started; any other one is `mesh`. */
export const PROGRAM_NAMES = ["mesh", "collective", "mesh-relay"] as const;

/** Undefined for every other name. */
export function singleProgram(cli: Cli, name: string): MeshCommand | undefined {
  if (name === "mesh-relay") return relayCommand(cli, name);
  return undefined;
}
