import { type Cli, printJson } from "../cli.js";
import { MeshCommand } from "../command.js";
import { type DoorOptions, throughDoor, withDoorOptions } from "../door.js";

interface Options extends DoorOptions {
  parents?: boolean;
  json?: boolean;
}

export function mkdirCommand(cli: Cli): MeshCommand {
  const command = new MeshCommand("mkdir")
    .description("make directories")
    .argument("<path...>", "directories in the collective")
    .option("-p, --parents", "make parents too, and be content when it exists")
    .option("--json", "as JSON")
    .withExamples("mesh mkdir /shared", "mesh mkdir -p /shared/media/films");
  return withDoorOptions(command).action(async (paths: string[], options: Options) => {
    await throughDoor(cli, options, async (door) => {
      const files = await door.files();
      const parents = options.parents === true;
      for (const path of paths) await files.makeDirectory(path, { parents, signal: cli.signal });
      if (options.json === true) printJson(cli, { made: paths });
    });
  });
}
