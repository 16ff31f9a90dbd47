import { type Cli, print, printJson } from "../cli.js";
import { MeshCommand } from "../command.js";
import { type DoorOptions, throughDoor, withDoorOptions } from "../door.js";
import { printable } from "../text.js";

export function peerRemoveCommand(cli: Cli): MeshCommand {
  const command = new MeshCommand("remove")
    .description("believe nobody of a peer any longer; its connections end at once")
    .argument("<peer>", "alias or domain")
    .option("--json", "as JSON")
    .withExamples("mesh peer remove bob");
  return withDoorOptions(command).action(
    async (name: string, options: DoorOptions & { json?: boolean }) => {
      await throughDoor(cli, options, async ({ api }) => {
        const { removePeer } = await import("@hearthmesh/client");
        const removed = await removePeer(api, name);
        if (options.json === true) return printJson(cli, removed);
        const { alias, trustDomain, told } = removed;
        print(cli, `${alias} (${printable(trustDomain)}) is no peer any longer.`);
        print(
          cli,
          told
            ? "It knows, and believes nobody of this member either."
            : "It cannot be reached now, and is told as soon as it can be.",
        );
      });
    },
  );
}
