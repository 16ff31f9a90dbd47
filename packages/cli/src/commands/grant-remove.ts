import { type Cli, print, printJson } from "../cli.js";
import { MeshCommand } from "../command.js";
import { type DoorOptions, throughDoor, withDoorOptions } from "../door.js";
import { printable } from "../text.js";

export function grantRemoveCommand(cli: Cli): MeshCommand {
  const command = new MeshCommand("remove")
    .alias("rm")
    .description("take a grant away; transfers that ran on it are cut")
    .argument("<id>", "as `mesh grant list` shows it")
    .option("--json", "as JSON")
    .withExamples("mesh grant remove k3v5qzm2ab");
  return withDoorOptions(command).action(
    async (id: string, options: DoorOptions & { json?: boolean }) => {
      await throughDoor(cli, options, async ({ api }) => {
        const { removeGrant } = await import("@hearthmesh/client");
        const answer = await removeGrant(api, id);
        if (options.json === true) return printJson(cli, answer);
        const { subject, text } = answer.removed;
        print(cli, `Removed: ${printable(subject)} ${printable(text)}`);
      });
    },
  );
}
