/** Programs of one command each, under the names of the LAN pool guide. */
import type { Cli } from "./cli.js";
import type { MeshCommand } from "./command.js";
import { controlPlaneCommand } from "./commands/control-plane.js";
import { relayCommand } from "./commands/relay.js";

/** Names under which the program may be started; any other one is `mesh`. */
export const PROGRAM_NAMES = ["mesh", "collective", "mesh-relay", "mesh-control-plane"] as const;

/** Undefined for every other name. */
export function singleProgram(cli: Cli, name: string): MeshCommand | undefined {
  if (name === "mesh-relay") return relayCommand(cli, name);
  if (name === "mesh-control-plane") return controlPlaneCommand(cli, name);
  return undefined;
}
