import { type Cli, print, printJson } from "../cli.js";
import { MeshCommand } from "../command.js";
import { type DoorOptions, throughDoor, withDoorOptions } from "../door.js";
import { formatTable } from "../table.js";
import { formatTime, printable } from "../text.js";

export function inviteListCommand(cli: Cli): MeshCommand {
  const command = new MeshCommand("list")
    .description("the invites of this member, without their secrets")
    .option("--json", "as JSON")
    .withExamples("mesh invite list");
  return withDoorOptions(command).action(async (options: DoorOptions & { json?: boolean }) => {
    await throughDoor(cli, options, async ({ api }) => {
      const answer = await api.invites();
      if (options.json === true) return printJson(cli, answer);
      if (answer.invites.length === 0) return print(cli, "There are no invites.");
      const titles = ["ID", "STATE", "FOR", "USED", "UNTIL", "GIVES", "DESCRIPTION"];
      const rows = answer.invites.map((invite) => [
        invite.id,
        invite.state === "open" ? cli.colours.green(invite.state) : invite.state,
        invite.kind,
        `${invite.uses.length}/${invite.maxUses}`,
        formatTime(invite.notAfterMs),
        invite.kind === "node"
          ? invite.roles.join(",")
          : invite.grants.map((one) => `${printable(one.path)}:${one.rights.join("+")}`).join(" "),
        printable(invite.description),
      ]);
      const columns = titles.map((title) => ({ title }));
      for (const line of formatTable(columns, rows, cli.colours.dim)) print(cli, line);
    });
  });
}
