import { parseDurationMs } from "@hearthmesh/core";
import { type Cli, print, printJson } from "../cli.js";
import { MeshCommand } from "../command.js";
import { type DoorOptions, throughNodeDoor, withDoorOptions } from "../door.js";
import { usageError } from "../failures.js";
import { modeSentence } from "../healing/heal-text.js";

/** As the node takes it; who wants longer leaves `--for` out. */
const PAUSE_MS_MAX = 30 * 86_400_000;

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
    const request = options.for === undefined ? {} : { forMs: pauseMs(options.for) };
    await throughNodeDoor(cli, options, async ({ api }) => {
      const { pauseHealing } = await import("@hearthmesh/client");
      const answer = await pauseHealing(api, request);
      if (options.json === true) return printJson(cli, answer);
      print(cli, modeSentence(cli, answer));
    });
  });
}

function pauseMs(text: string): number {
  const forMs = parseDurationMs(text);
  if (forMs >= 1 && forMs <= PAUSE_MS_MAX) return forMs;
  throw usageError(`--for is a time up to 30d, such as 10m, not "${text}"`);
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
