import { type Cli, print, printJson } from "../cli.js";
import { MeshCommand } from "../command.js";
import { type DoorOptions, throughDoor, withDoorOptions } from "../door.js";
import { formatTable } from "../table.js";
import { formatTime, printable } from "../text.js";

export function identityListCommand(cli: Cli): MeshCommand {
  const command = new MeshCommand("list")
    .description("everybody who is enrolled at the member (for its operator)")
    .option("--json", "as JSON")
    .withExamples("mesh identity list");
  return withDoorOptions(command).action(async (options: DoorOptions & { json?: boolean }) => {
    await throughDoor(cli, options, async ({ api }) => {
      const answer = await api.identities();
      if (options.json === true) return printJson(cli, answer);
      const titles = ["NAME", "KIND", "STATE", "CERTIFICATE UNTIL", "GRANTS OR ROLES"];
      const rows = answer.identities.map((one) => [
        printable(one.name),
        one.kind,
        one.revokedAtMs === undefined ? "enrolled" : cli.colours.red("revoked"),
        formatTime(one.certificateNotAfterMs),
        one.kind === "person"
          ? one.grants
              .map((grant) => `${printable(grant.path)}:${grant.rights.join("+")}`)
              .join(" ")
          : one.roles.join(","),
      ]);
      const columns = titles.map((title) => ({ title }));
      for (const line of formatTable(columns, rows, cli.colours.dim)) print(cli, line);
    });
  });
}
