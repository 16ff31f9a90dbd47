import { type Cli, printJson } from "../cli.js";
import { MeshCommand } from "../command.js";
import { type DoorOptions, throughDoor, withDoorOptions } from "../door.js";

interface Options extends DoorOptions {
  force?: boolean;
  json?: boolean;
}

export function mvCommand(cli: Cli): MeshCommand {
  const command = new MeshCommand("mv")
    .description("move or rename a file or directory")
    .argument("<from>", "path in the collective")
    .argument("<to>", "new path; with / at the end, into that directory")
    .option("-f, --force", "replace a file that is there")
    .option("--json", "as JSON")
    .withExamples("mesh mv /shared/a.txt /shared/b.txt", "mesh mv /shared/a.txt /shared/old/");
  return withDoorOptions(command).action(async (from: string, to: string, options: Options) => {
    await throughDoor(cli, options, async (door) => {
      const target = to.endsWith("/") && to.length > 1 ? `${to}${from.split("/").at(-1)}` : to;
      const overwrite = options.force === true;
      await (await door.files()).move(from, target, { overwrite, signal: cli.signal });
      if (options.json === true) printJson(cli, { from, to: target });
    });
  });
}
