import { type Cli, print, printJson } from "../cli.js";
import { MeshCommand } from "../command.js";
import { throughNodeDoor } from "../door.js";
import { formatTable } from "../table.js";
import { formatDuration, printable } from "../text.js";
import { findPool, type PoolOptions, withPoolOptions } from "./pool-options.js";

export function poolRequestsCommand(cli: Cli): MeshCommand {
  const command = new MeshCommand("requests")
    .description("machines that ask to join a pool: approve one when its screen shows its words")
    .withExamples("mesh pool requests");
  return withPoolOptions(command).action(async (options: PoolOptions) => {
    await throughNodeDoor(cli, options, async ({ api }) => {
      const { listPoolRequests } = await import("@hearthmesh/client");
      const pool = await findPool(api, options);
      const answer = await listPoolRequests(api, pool.poolId);
      if (options.json === true) return printJson(cli, answer);
      if (answer.requests.length === 0) {
        print(cli, `No machine asks to join ${printable(pool.name)}.`);
        return;
      }
      const titles = ["NAME", "WORDS", "ADDRESS", "ENDS IN"];
      const nowMs = cli.clock.nowMs();
      const rows = answer.requests.map((request) => [
        printable(request.name),
        request.words,
        printable(request.address),
        formatDuration(Date.parse(request.expires) - nowMs),
      ]);
      const columns = titles.map((title) => ({ title }));
      for (const line of formatTable(columns, rows, cli.colours.dim)) print(cli, line);
    });
  });
}
