import { type Cli, print, printJson } from "../cli.js";
import { MeshCommand } from "../command.js";
import { throughNodeDoor } from "../door.js";
import { formatTable } from "../table.js";
import { printable } from "../text.js";
import {
  columnsText,
  findPool,
  type PoolOptions,
  paintPoolStatus,
  printFields,
  withPoolOptions,
} from "./pool-options.js";

export function poolStatusCommand(cli: Cli): MeshCommand {
  const command = new MeshCommand("status")
    .description("a pool: its credentials, members, ring, and whether it is complete")
    .withExamples("mesh pool status", "mesh pool status --pool-id lab --json");
  return withPoolOptions(command).action(async (options: PoolOptions) => {
    await throughNodeDoor(cli, options, async ({ api }) => {
      const pool = await findPool(api, options);
      const online = pool.members.filter(({ status }) => status === "online").length;
      const isReady = online === pool.members.length;
      if (options.json === true) return printJson(cli, { ready: isReady, online, pool });
      const { green, yellow } = cli.colours;
      const all = pool.members.length;
      printFields(cli, [
        ["Pool", printable(pool.name)],
        ["Pool ID", pool.poolId],
        ["Pool Root Public Key", pool.rootPublicKey],
        ["Network ID", printable(pool.networkId)],
        ["Epoch", String(pool.epoch)],
        ["State", isReady ? green("ready") : yellow("incomplete")],
        ["Members", `${all}, ${online} online`],
      ]);
      print(cli);
      const titles = ["POSITION", "NAME", "ROLE", "STATUS", "COLUMNS", "CAPACITY", "LAN ADDRESS"];
      const rows = pool.members.map((member) => [
        String(member.position),
        printable(member.name),
        member.role,
        paintPoolStatus(cli, member.status),
        columnsText(member),
        String(member.capacity),
        printable(member.lanAddress ?? "unknown"),
      ]);
      const columns = titles.map((title) => ({ title }));
      for (const line of formatTable(columns, rows, cli.colours.dim)) print(cli, line);
    });
  });
}
