import { type Cli, print, printJson } from "../cli.js";
import { MeshCommand } from "../command.js";
import { throughNodeDoor } from "../door.js";
import { printable } from "../text.js";
import { findPool, type PoolOptions, withPoolOptions } from "./pool-options.js";

export function poolRemoveCommand(cli: Cli): MeshCommand {
  const command = new MeshCommand("remove")
    .alias("rm")
    .description("take a machine out of a pool; it stays a node of this member")
    .argument("<member>", "name or node id")
    .withExamples("mesh pool remove device2");
  return withPoolOptions(command).action(async (member: string, options: PoolOptions) => {
    await throughNodeDoor(cli, options, async ({ api }) => {
      const { removePoolMember } = await import("@hearthmesh/client");
      const pool = await findPool(api, options);
      const answer = await removePoolMember(api, pool.poolId, member);
      if (options.json === true) return printJson(cli, answer);
      print(cli, `${printable(answer.name)} does not belong to ${printable(pool.name)} any more.`);
      const node = `mesh node remove ${printable(answer.name)}`;
      print(cli, cli.colours.dim(`It is still a node of this member; to end that too: ${node}`));
    });
  });
}
