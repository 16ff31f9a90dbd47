import { type Cli, print, printJson } from "../cli.js";
import { MeshCommand } from "../command.js";
import { type DoorOptions, throughDoor, withDoorOptions } from "../door.js";
import { describeCoverage, describeFriends, describeLostFound } from "./backup-words.js";

export function backupStatusCommand(cli: Cli): MeshCommand {
  const command = new MeshCommand("status")
    .description("which friend has which snapshot of the records, and what would be lost now")
    .option("--json", "as JSON")
    .withExamples("mesh backup status", "mesh backup status --json | jq .coverage.uncovered");
  return withDoorOptions(command).action(async (options: DoorOptions & { json?: boolean }) => {
    await throughDoor(cli, options, async ({ api }) => {
      const { backupStatus } = await import("@hearthmesh/client");
      const backup = await backupStatus(api, true);
      if (options.json === true) return printJson(cli, backup);
      for (const line of describeFriends(backup)) print(cli, line);
      for (const line of describeCoverage(backup)) print(cli, line);
      for (const line of describeLostFound(backup)) print(cli, line);
    });
  });
}
