import { isMeshError } from "@hearthmesh/core";
import { type Cli, printJson } from "../cli.js";
import { MeshCommand } from "../command.js";
import { type DoorOptions, throughDoor, withDoorOptions } from "../door.js";

interface Options extends DoorOptions {
  recursive?: boolean;
  force?: boolean;
  permanent?: boolean;
  json?: boolean;
}

export function rmCommand(cli: Cli): MeshCommand {
  const command = new MeshCommand("rm")
    .description("remove files and directories; `mesh trash` brings them back for a time")
    .argument("<path...>", "paths in the collective")
    .option("-r, --recursive", "remove directories with all that is in them")
    .option("-f, --force", "be content when a path is not there")
    .option("--permanent", "at once and for good, past the trash")
    .option("--json", "as JSON")
    .withExamples(
      "mesh rm /shared/old.txt",
      "mesh rm -r /shared/old-photos",
      "mesh rm --permanent /shared/secret.txt",
    );
  return withDoorOptions(command).action(async (paths: string[], options: Options) => {
    await throughDoor(cli, options, async (door) => {
      const files = await door.files();
      const recursive = options.recursive === true;
      const permanent = options.permanent === true;
      let removed = 0;
      for (const path of paths) {
        try {
          removed += await files.remove(path, { recursive, permanent, signal: cli.signal });
        } catch (error) {
          const absent = isMeshError(error, "MESH_PATH_NOT_FOUND");
          if (options.force !== true || !absent) throw error;
        }
      }
      if (options.json === true) printJson(cli, { removed });
    });
  });
}
