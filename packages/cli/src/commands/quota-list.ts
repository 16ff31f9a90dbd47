import { formatBytes } from "@hearthmesh/core";
import type { QuotaView } from "@hearthmesh/gateway/contracts";
import { type Cli, print, printJson } from "../cli.js";
import { MeshCommand } from "../command.js";
import { type DoorOptions, throughDoor, withDoorOptions } from "../door.js";
import { formatTable } from "../table.js";
import { printable } from "../text.js";
import { offerWords } from "./policy-words.js";

export function quotaListCommand(cli: Cli): MeshCommand {
  const command = new MeshCommand("list")
    .description("how much each peer may keep here, and this member at each peer")
    .option("--json", "as JSON")
    .withExamples("mesh quota list");
  return withDoorOptions(command).action(async (options: DoorOptions & { json?: boolean }) => {
    await throughDoor(cli, options, async ({ api }) => {
      const { listQuotas } = await import("@hearthmesh/client");
      const answer = await listQuotas(api);
      if (options.json === true) return printJson(cli, answer);
      const { given, received } = answer;
      const table = (titles: readonly string[], rows: string[][]) => {
        const columns = titles.map((title) => ({ title }));
        for (const line of formatTable(columns, rows, cli.colours.dim)) print(cli, line);
      };
      if (given.length === 0) {
        print(cli, "Nothing is offered to a peer: `mesh quota offer <peer> <size>`.");
      } else {
        const rows = given.map((quota) => [nameOf(quota), usedWords(quota), stateOf(quota)]);
        table(["PEER KEEPS HERE", "USED", "STATE"], rows);
      }
      print(cli, "");
      if (received.length === 0) return print(cli, "There are no peers that could offer room.");
      const rows = received.map((friend) => [printable(friend.alias), offerWords(friend)]);
      table(["PEER OFFERS US", "USED"], rows);
    });
  });
}

function nameOf({ alias, trustDomain }: QuotaView): string {
  return printable(alias ?? trustDomain);
}

function usedWords({ usedBytes, bytes }: QuotaView): string {
  const used = usedBytes === null ? "unknown" : formatBytes(usedBytes);
  return `${used} of ${formatBytes(bytes)}`;
}

function stateOf({ alias, withdrawnAtMs }: QuotaView): string {
  if (alias === null) return "no peer any longer";
  return withdrawnAtMs === null ? "offered" : "withdrawn";
}
