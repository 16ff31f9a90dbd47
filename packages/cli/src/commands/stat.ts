import { formatBytes } from "@hearthmesh/core";
import { type Cli, print, printJson } from "../cli.js";
import { MeshCommand } from "../command.js";
import { type DoorOptions, throughDoor, withDoorOptions } from "../door.js";
import { formatTime, printable } from "../text.js";

export function statCommand(cli: Cli): MeshCommand {
  const command = new MeshCommand("stat")
    .description("what is known about a file or directory")
    .argument("<path>", "path in the collective")
    .option("--json", "as JSON")
    .withExamples("mesh stat /shared/README.txt");
  return withDoorOptions(command).action(
    async (path: string, options: DoorOptions & { json?: boolean }) => {
      await throughDoor(cli, options, async (door) => {
        const entry = await (await door.files()).stat(path, cli.signal);
        if (options.json === true) return printJson(cli, entry);
        print(cli, `path      ${printable(entry.path)}`);
        print(cli, `kind      ${entry.kind}`);
        if (entry.kind === "file") {
          print(cli, `size      ${entry.sizeBytes} bytes (${formatBytes(entry.sizeBytes)})`);
        }
        print(cli, `changed   ${formatTime(entry.modifiedAtMs)}`);
        print(cli, `made      ${formatTime(entry.createdAtMs)}`);
        print(cli, `owner     ${printable(entry.owner)}`);
        print(cli, `etag      ${entry.etag}`);
      });
    },
  );
}
