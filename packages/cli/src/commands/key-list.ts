import { type Cli, print, printJson } from "../cli.js";
import { MeshCommand } from "../command.js";
import { type DoorOptions, throughDoor, withDoorOptions } from "../door.js";
import { formatTable } from "../table.js";
import { formatTime, printable } from "../text.js";

export function keyListCommand(cli: Cli): MeshCommand {
  const command = new MeshCommand("list")
    .alias("ls")
    .description("the API keys of this member, without their secrets")
    .option("--json", "as JSON")
    .withExamples("mesh key list");
  return withDoorOptions(command).action(async (options: DoorOptions & { json?: boolean }) => {
    await throughDoor(cli, options, async ({ api }) => {
      const { listKeys } = await import("@hearthmesh/client");
      const answer = await listKeys(api);
      if (options.json === true) return printJson(cli, answer);
      if (answer.keys.length === 0) return print(cli, "There are no API keys: mesh key create");
      const rows = answer.keys.map((key) => [
        key.id,
        printable(key.name),
        key.state === "open" ? cli.colours.green(key.state) : key.state,
        key.scopes.join(","),
        formatTime(key.notAfterMs),
        key.lastUsedAtMs === undefined ? "never" : formatTime(key.lastUsedAtMs),
        key.allowIps.length === 0 ? "anywhere" : key.allowIps.join(" "),
      ]);
      const titles = ["ID", "NAME", "STATE", "SCOPES", "UNTIL", "LAST USED", "FROM"];
      const columns = titles.map((title) => ({ title }));
      for (const line of formatTable(columns, rows, cli.colours.dim)) print(cli, line);
    });
  });
}
