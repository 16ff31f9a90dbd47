import { type Cli, print, printJson } from "../cli.js";
import { MeshCommand } from "../command.js";
import { type DoorOptions, throughDoor, withDoorOptions } from "../door.js";
import { parseWholeNumber } from "../whole-number.js";

interface Options extends DoorOptions {
  version: string;
  force?: boolean;
  json?: boolean;
}

export function layoutApplyCommand(cli: Cli): MeshCommand {
  const command = new MeshCommand("apply")
    .description("make the staged changes the layout; chunks begin to move")
    .requiredOption("--version <number>", "the version that mesh layout show names")
    .option("--force", "in spite of warnings of danger")
    .option("--json", "as JSON")
    .withExamples("mesh layout apply --version 7");
  return withDoorOptions(command).action(async (options: Options) => {
    const request = {
      version: parseWholeNumber(options.version, "--version"),
      force: options.force === true,
    };
    await throughDoor(cli, options, async ({ api }) => {
      const { applyLayout } = await import("@hearthmesh/client");
      const answer = await applyLayout(api, request);
      if (options.json === true) return printJson(cli, answer);
      print(cli, `Layout ${answer.layout.version} holds now.`);
      print(cli, "mesh worker list shows how far repair and rebalance have come.");
    });
  });
}
