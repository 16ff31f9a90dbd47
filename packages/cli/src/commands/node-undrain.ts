import { type Cli, print, printJson } from "../cli.js";
import { MeshCommand } from "../command.js";
import { type DoorOptions, throughDoor, withDoorOptions } from "../door.js";
import { printable } from "../text.js";

export function nodeUndrainCommand(cli: Cli): MeshCommand {
  const command = new MeshCommand("undrain")
    .description("take a drain back: the node gets its share again")
    .argument("<node>", "name or id")
    .option("--json", "as JSON")
    .withExamples("mesh node undrain attic");
  return withDoorOptions(command).action(
    async (name: string, options: DoorOptions & { json?: boolean }) => {
      await throughDoor(cli, options, async ({ api }) => {
        const { undrainNode } = await import("@hearthmesh/client");
        const answer = await undrainNode(api, name);
        if (options.json === true) return printJson(cli, answer);
        const { node, layoutVersion } = answer;
        print(cli, `${printable(node.name)} keeps its share. Layout ${layoutVersion} holds now.`);
      });
    },
  );
}
