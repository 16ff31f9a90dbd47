import { type Cli, print, printJson } from "../cli.js";
import { MeshCommand } from "../command.js";
import { type DoorOptions, throughNodeDoor, withDoorOptions } from "../door.js";
import { printable } from "../text.js";

export function serviceRemoveCommand(cli: Cli): MeshCommand {
  const command = new MeshCommand("remove")
    .description("take a service of this node out of the mesh; the program goes on")
    .argument("<name>", "name of the service")
    .option("--json", "as JSON")
    .withExamples("mesh service remove ollama");
  return withDoorOptions(command).action(
    async (name: string, options: DoorOptions & { json?: boolean }) => {
      await throughNodeDoor(cli, options, async ({ api }) => {
        const { removeService } = await import("@hearthmesh/client");
        const removed = await removeService(api, name);
        if (options.json === true) return printJson(cli, removed);
        print(cli, `Removed ${printable(removed.name)} from the mesh.`);
      });
    },
  );
}
