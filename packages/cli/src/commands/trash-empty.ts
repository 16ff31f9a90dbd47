import { parseDurationMs } from "@hearthmesh/core";
import { type Cli, print, printJson } from "../cli.js";
import { MeshCommand } from "../command.js";
import { type DoorOptions, throughDoor, withDoorOptions } from "../door.js";
import { usageError } from "../failures.js";
import { plural } from "../text.js";

interface Options extends DoorOptions {
  all?: boolean;
  olderThan?: string;
  json?: boolean;
}

export function trashEmptyCommand(cli: Cli): MeshCommand {
  const command = new MeshCommand("empty")
    .description("let removed things go for good; their space comes back a while later")
    .argument("[id or path]", "one entry, or what lay at a path or below")
    .option("--all", "everything that you may delete")
    .option("--older-than <time>", "only what was removed longer ago, such as 2d")
    .option("--json", "as JSON")
    .withExamples(
      "mesh trash empty --all",
      "mesh trash empty /shared/photos",
      "mesh trash empty --all --older-than 2d",
    );
  return withDoorOptions(command).action(async (what: string | undefined, options: Options) => {
    if ((what === undefined) === (options.all !== true)) {
      throw usageError("name an id or a path, or give --all");
    }
    const isPath = what?.startsWith("/") === true;
    const target = what === undefined ? { path: "/" } : isPath ? { path: what } : { id: what };
    const age = options.olderThan;
    const bound = age === undefined ? {} : { beforeMs: cli.clock.nowMs() - parseDurationMs(age) };
    await throughDoor(cli, options, async ({ api }) => {
      const { emptyTrash } = await import("@hearthmesh/client");
      const answer = await emptyTrash(api, { ...target, ...bound });
      if (options.json === true) return printJson(cli, answer);
      print(cli, `${plural(answer.emptied, "entry", "entries")} gone for good`);
    });
  });
}
