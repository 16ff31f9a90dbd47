import { type Cli, printJson } from "../cli.js";
import { MeshCommand } from "../command.js";
import { type DoorOptions, throughDoor, withDoorOptions } from "../door.js";
import { printLayout } from "../layout-text.js";

export function layoutShowCommand(cli: Cli): MeshCommand {
  const command = new MeshCommand("show")
    .description("who keeps how much, what is staged, and what applying it moves")
    .option("--json", "as JSON")
    .withExamples("mesh layout show", "mesh layout show --json | jq .preview.warnings");
  return withDoorOptions(command).action(async (options: DoorOptions & { json?: boolean }) => {
    await throughDoor(cli, options, async ({ api }) => {
      const { layoutChanges } = await import("@hearthmesh/client");
      const answer = await layoutChanges(api);
      if (options.json === true) return printJson(cli, answer);
      printLayout(cli, answer);
    });
  });
}
