import type { PoolView } from "@hearthmesh/gateway/contracts";
import { type Cli, print, printJson } from "../cli.js";
import { MeshCommand } from "../command.js";
import { type DoorOptions, throughNodeDoor, withDoorOptions } from "../door.js";
import { formatTable } from "../table.js";
import { plural, printable } from "../text.js";
import { columnsText, paintPoolStatus } from "./pool-options.js";

export function poolListCommand(cli: Cli): MeshCommand {
  const command = new MeshCommand("list")
    .alias("ls")
    .description("the pools that this node knows, and who belongs to them")
    .option("--json", "as JSON")
    .withExamples("mesh pool list");
  return withDoorOptions(command).action(async (options: DoorOptions & { json?: boolean }) => {
    await throughNodeDoor(cli, options, async ({ api }) => {
      const { listPools } = await import("@hearthmesh/client");
      const answer = await listPools(api);
      if (options.json === true) return printJson(cli, answer);
      if (answer.pools.length === 0) {
        print(cli, "This node knows no pool: mesh pool create --name NAME, or mesh pool join");
      }
      for (const [at, pool] of answer.pools.entries()) {
        if (at > 0) print(cli);
        printPool(cli, pool);
      }
    });
  });
}

function printPool(cli: Cli, pool: PoolView): void {
  const count = plural(pool.members.length, "member");
  print(cli, `${printable(pool.name)}  ${pool.poolId}  ${count}, network ${pool.networkId}`);
  const titles = ["POSITION", "NAME", "ROLE", "STATUS", "COLUMNS", "NODE ID"];
  const rows = pool.members.map((member) => [
    String(member.position),
    printable(member.name) + (member.isSelf ? " (this machine)" : ""),
    member.role,
    paintPoolStatus(cli, member.status),
    columnsText(member),
    member.nodeId,
  ]);
  const columns = titles.map((title) => ({ title }));
  for (const line of formatTable(columns, rows, cli.colours.dim)) print(cli, `  ${line}`);
}
