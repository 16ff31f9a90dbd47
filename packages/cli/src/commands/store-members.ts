import { formatBytes } from "@hearthmesh/core";
import type { StoreMember } from "@hearthmesh/gateway/contracts";
import { type Cli, print, printJson } from "../cli.js";
import { MeshCommand } from "../command.js";
import { type DoorOptions, throughDoor, withDoorOptions } from "../door.js";
import { formatTable } from "../table.js";
import { printable } from "../text.js";

export function storeMembersCommand(cli: Cli): MeshCommand {
  const command = new MeshCommand("members")
    .description("the members of the store's cluster: who votes, who leads, who answers")
    .option("--json", "as JSON")
    .withExamples("mesh store members");
  return withDoorOptions(command).action(async (options: DoorOptions & { json?: boolean }) => {
    await throughDoor(cli, options, async ({ api }) => {
      const { storeMembers } = await import("@hearthmesh/client");
      const answer = await storeMembers(api);
      if (options.json === true) return printJson(cli, answer);
      const titles = ["NAME", "ROLE", "LEADS", "HEALTH", "VERSION", "SIZE", "ID", "AT"];
      const columns = titles.map((title) =>
        title === "SIZE" ? { title, align: "right" as const } : { title },
      );
      const rows = answer.members.map((member) => rowOf(cli, member));
      for (const line of formatTable(columns, rows, cli.colours.dim)) print(cli, line);
      for (const { name, errors } of answer.members) {
        for (const error of errors) print(cli, `${printable(name)}: ${printable(error)}`);
      }
    });
  });
}

function rowOf(cli: Cli, member: StoreMember): string[] {
  const { green, red, yellow } = cli.colours;
  const { health, sizeBytes } = member;
  const paint = health === "ok" ? green : health === "unreachable" ? red : yellow;
  return [
    printable(member.name),
    member.role,
    member.isLeader ? "yes" : "",
    paint(health),
    printable(member.version ?? ""),
    sizeBytes === null ? "unknown" : formatBytes(sizeBytes),
    printable(member.id),
    printable(member.addresses[0] ?? ""),
  ];
}
