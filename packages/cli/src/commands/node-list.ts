import { type Cli, print, printJson } from "../cli.js";
import { MeshCommand } from "../command.js";
import { type DoorOptions, throughDoor, withDoorOptions } from "../door.js";
import { formatTable } from "../table.js";
import { formatTime, printable } from "../text.js";
import { paintState } from "./status.js";

export function nodeListCommand(cli: Cli): MeshCommand {
  const command = new MeshCommand("list")
    .alias("ls")
    .description("the nodes of this member")
    .option("--json", "as JSON")
    .withExamples("mesh node list");
  return withDoorOptions(command).action(async (options: DoorOptions & { json?: boolean }) => {
    await throughDoor(cli, options, async ({ api }) => {
      const answer = await api.nodes();
      if (options.json === true) return printJson(cli, answer);
      const rows = answer.nodes.map((node) => [
        printable(node.name),
        paintState(cli, node.state),
        node.roles.join(","),
        printable(node.version),
        formatTime(node.lastSeenMs),
        printable(node.addresses.join(" ")),
        node.nodeId.slice(0, 12),
      ]);
      const titles = ["NAME", "STATE", "ROLES", "VERSION", "LAST SEEN", "ADDRESSES", "ID"];
      const columns = titles.map((title) => ({ title }));
      for (const line of formatTable(columns, rows, cli.colours.dim)) print(cli, line);
    });
  });
}
