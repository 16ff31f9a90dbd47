/** Programs of one command each, under the names of the LAN pool guide. */
import type { Cli } from "./cli.js";
import type { MeshCommand } from "./command.js";

/** Names under which the program may be started; any other one is `mesh`. */
export const PROGRAM_NAMES = ["mesh", "collective", "mesh-relay", "mesh-control-plane"] as const;

/** Undefined for every other name. */
export async function singleProgram(cli: Cli, name: string): Promise<MeshCommand | undefined> {
  if (name === "mesh-relay") return (await import("./commands/relay.js")).relayCommand(cli, name);
  if (name !== "mesh-control-plane") return undefined;
  return (await import("./commands/control-plane.js")).controlPlaneCommand(cli, name);
}
