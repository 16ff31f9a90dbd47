import { type Cli, print, printJson } from "../cli.js";
import { MeshCommand } from "../command.js";
import { openHome } from "../door.js";
import { formatTable } from "../table.js";
import { formatTime } from "../text.js";

export function identityListCollectivesCommand(cli: Cli): MeshCommand {
  return new MeshCommand("list-collectives")
    .description("the collectives that this identity has joined")
    .option("--home <directory>", "data directory instead of MESH_HOME")
    .option("--json", "as JSON")
    .withExamples("mesh identity list-collectives")
    .action(async (options: { home?: string; json?: boolean }) => {
      const home = await openHome(cli, options);
      const identity = await home.requireIdentity();
      const collectives = await home.collectives();
      if (options.json === true) {
        return printJson(cli, { current: identity.current ?? null, collectives });
      }
      if (collectives.length === 0) return print(cli, "None yet: mesh invite redeem CODE");
      const titles = ["", "NAME", "DOMAIN", "COORDINATOR", "CERTIFICATE UNTIL"];
      const rows = collectives.map((record) => [
        record.name === identity.current ? "*" : "",
        record.name,
        record.trustDomain,
        record.coordinator.apiAddresses[0] ?? "",
        formatTime(record.certificateNotAfterMs),
      ]);
      const columns = titles.map((title) => ({ title }));
      for (const line of formatTable(columns, rows, cli.colours.dim)) print(cli, line);
    });
}
