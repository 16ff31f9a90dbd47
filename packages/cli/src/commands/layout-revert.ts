import { type Cli, print, printJson } from "../cli.js";
import { MeshCommand } from "../command.js";
import { type DoorOptions, throughDoor, withDoorOptions } from "../door.js";

export function layoutRevertCommand(cli: Cli): MeshCommand {
  const command = new MeshCommand("revert")
    .description("forget what is staged")
    .option("--json", "as JSON")
    .withExamples("mesh layout revert");
  return withDoorOptions(command).action(async (options: DoorOptions & { json?: boolean }) => {
    await throughDoor(cli, options, async ({ api }) => {
      const { revertLayout } = await import("@hearthmesh/client");
      const answer = await revertLayout(api);
      if (options.json === true) return printJson(cli, answer);
      print(cli, `Nothing is staged; layout ${answer.layout.version} holds.`);
    });
  });
}
