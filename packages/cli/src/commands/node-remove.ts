import { type Cli, print, printJson } from "../cli.js";
import { MeshCommand } from "../command.js";
import { type DoorOptions, throughDoor, withDoorOptions } from "../door.js";
import { plural } from "../text.js";

export function nodeRemoveCommand(cli: Cli): MeshCommand {
  const command = new MeshCommand("remove")
    .description("revoke a node and take it out of the layout; repair replaces its copies")
    .argument("<node>", "name or id")
    .option("--force", "also when the only copies of files go with it")
    .option("--json", "as JSON")
    .withExamples("mesh node drain attic --wait && mesh node remove attic");
  return withDoorOptions(command).action(
    async (node: string, options: DoorOptions & { json?: boolean; force?: boolean }) => {
      await throughDoor(cli, options, async ({ api }) => {
        const { removeNode } = await import("@hearthmesh/client");
        const removed = await removeNode(api, node, options.force === true);
        if (options.json === true) return printJson(cli, removed);
        if (removed.introduced === true) {
          return print(cli, `Forgot ${removed.name}: it was introduced, and no part of this mesh.`);
        }
        print(cli, `Removed ${removed.name}. Layout ${removed.layoutVersion} holds now.`);
        print(cli, "Its certificate is revoked. mesh status shows how far repair has come.");
        const { chunksHeld = 0 } = removed;
        if (chunksHeld > 0) {
          print(
            cli,
            `It had ${plural(chunksHeld, "chunk")} that files need; others have them too.`,
          );
        }
      });
    },
  );
}
