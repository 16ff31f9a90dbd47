import { formatBytes } from "@hearthmesh/core";
import { type Cli, print, printJson } from "../cli.js";
import { MeshCommand } from "../command.js";
import { type DoorOptions, throughNodeDoor, withDoorOptions } from "../door.js";
import { printable } from "../text.js";

type Options = DoorOptions & { json?: boolean };

export function modelRemoveCommand(cli: Cli): MeshCommand {
  const command = new MeshCommand("rm")
    .alias("remove")
    .description("remove a model from the collective")
    .argument("<model>", "name, or the first eight digits of its id")
    .option("--json", "what was removed, as JSON")
    .withExamples("mesh model rm tinyllama");
  return withDoorOptions(command).action(async (name: string, options: Options) => {
    await throughNodeDoor(cli, options, async ({ api }) => {
      const { removeModel } = await import("@hearthmesh/client");
      const answer = await removeModel(api, name);
      if (options.json === true) return printJson(cli, answer);
      const { model } = answer;
      print(cli, `Removed ${printable(model.name)} (${formatBytes(model.sizeBytes)}).`);
    });
  });
}
