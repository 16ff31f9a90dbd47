import { type Cli, print, printJson } from "../cli.js";
import { MeshCommand } from "../command.js";
import { throughNodeDoor } from "../door.js";
import { formatTable } from "../table.js";
import { printable } from "../text.js";
import { findPool, type PoolOptions, paintPoolStatus, withPoolOptions } from "./pool-options.js";

export function poolPeersCommand(cli: Cli): MeshCommand {
  const command = new MeshCommand("peers")
    .description("the other machines of a pool: where they are, and when they were seen")
    .withExamples("mesh pool peers", "mesh pool peers --pool-id POOL_ID --json");
  return withPoolOptions(command).action(async (options: PoolOptions) => {
    await throughNodeDoor(cli, options, async ({ api }) => {
      const pool = await findPool(api, options);
      const peers = pool.members.filter(({ isSelf }) => !isSelf);
      if (options.json === true) return printJson(cli, { poolId: pool.poolId, peers });
      if (peers.length === 0) {
        print(cli, `No other machine belongs to ${printable(pool.name)} yet: mesh pool join`);
        return;
      }
      const titles = ["NODE ID", "NAME", "LAN ADDRESS", "STATUS", "LAST SEEN"];
      const rows = peers.map((peer) => [
        peer.nodeId,
        printable(peer.name),
        printable(peer.lanAddress ?? "unknown"),
        paintPoolStatus(cli, peer.status),
        peer.lastSeen ?? "never",
      ]);
      const columns = titles.map((title) => ({ title }));
      for (const line of formatTable(columns, rows, cli.colours.dim)) print(cli, line);
    });
  });
}
