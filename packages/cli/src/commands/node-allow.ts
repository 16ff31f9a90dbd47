import { type Cli, print, printJson } from "../cli.js";
import { collect, MeshCommand } from "../command.js";
import { type DoorOptions, throughDoor, withDoorOptions } from "../door.js";
import { usageError } from "../failures.js";
import { printable } from "../text.js";
import { splitNetworks } from "./key-create.js";

interface Options extends DoorOptions {
  ip?: string[];
  any?: boolean;
  json?: boolean;
}

export function nodeAllowCommand(cli: Cli): MeshCommand {
  const command = new MeshCommand("allow")
    .description("say from which addresses a node may call; its links from elsewhere are refused")
    .argument("<node>", "name or id")
    .option("--ip <networks>", "addresses and networks, with commas; may be repeated", collect)
    .option("--any", "from everywhere, as before")
    .option("--json", "as JSON")
    .withExamples(
      "mesh node allow attic --ip 192.168.1.0/24,fd00::/64",
      "mesh node allow attic --any",
    );
  return withDoorOptions(command).action(async (node: string, options: Options) => {
    const networks = splitNetworks(options.ip ?? []);
    if (networks.length > 0 === (options.any === true)) {
      throw usageError("give either --ip with networks, or --any");
    }
    await throughDoor(cli, options, async ({ api }) => {
      const { allowNode } = await import("@hearthmesh/client");
      const answer = await allowNode(api, node, networks);
      if (options.json === true) return printJson(cli, answer);
      const from = answer.networks.length === 0 ? "everywhere" : answer.networks.join(", ");
      print(cli, `${printable(answer.name)} may call from ${from}.`);
    });
  });
}
