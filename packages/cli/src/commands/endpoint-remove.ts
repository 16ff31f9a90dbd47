import { type Cli, print, printJson } from "../cli.js";
import { MeshCommand } from "../command.js";
import { type DoorOptions, throughNodeDoor, withDoorOptions } from "../door.js";
import { printable } from "../text.js";

type Options = DoorOptions & { json?: boolean };

export function endpointRemoveCommand(cli: Cli): MeshCommand {
  const command = new MeshCommand("rm")
    .alias("remove")
    .description("take a server of this node out of the mesh; answers under way go on")
    .argument("<name>", "as mesh endpoint ls shows it")
    .option("--json", "as JSON")
    .withExamples("mesh endpoint rm ollama");
  return withDoorOptions(command).action(async (name: string, options: Options) => {
    await throughNodeDoor(cli, options, async ({ api }) => {
      const { removeAiEndpoint } = await import("@hearthmesh/client");
      const removed = await removeAiEndpoint(api, name);
      if (options.json === true) return printJson(cli, removed);
      print(cli, `Removed ${printable(removed.name)}.`);
    });
  });
}
