import { parseDurationMs } from "@hearthmesh/core";
import { type Cli, print, printJson } from "../cli.js";
import { MeshCommand } from "../command.js";
import { type DoorOptions, throughNodeDoor, withDoorOptions } from "../door.js";
import { modeSentence } from "../healing/heal-text.js";

interface Options extends DoorOptions {
  for?: string;
  json?: boolean;
}

export function healPauseCommand(cli: Cli): MeshCommand {
  const command = new MeshCommand("pause")
    .description("no remedies on this node, for maintenance by hand; it still looks and tells")
    .option("--for <time>", "so long, such as 10m; without it until `mesh heal resume`")
    .option("--json", "as JSON")
    .withExamples("mesh heal pause --for 10m", "mesh heal pause");
  return withDoorOptions(command).action(async (options: Options) => {
    const request = options.for === undefined ? {} : { forMs: parseDurationMs(options.for) };
    await throughNodeDoor(cli, options, async ({ api }) => {
      const { pauseHealing } = await import("@hearthmesh/client");
      const answer = await pauseHealing(api, request);
      if (options.json === true) return printJson(cli, answer);
      print(cli, modeSentence(cli, answer));
    });
  });
}

export function healResumeCommand(cli: Cli): MeshCommand {
  const command = new MeshCommand("resume")
    .description("the end of a pause")
    .option("--json", "as JSON")
    .withExamples("mesh heal resume");
  return withDoorOptions(command).action(async (options: Options) => {
    await throughNodeDoor(cli, options, async ({ api }) => {
      const { resumeHealing } = await import("@hearthmesh/client");
      const answer = await resumeHealing(api);
      if (options.json === true) return printJson(cli, answer);
      print(cli, modeSentence(cli, answer));
    });
  });
}
