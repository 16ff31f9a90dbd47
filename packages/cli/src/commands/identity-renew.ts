import { type Cli, print, printJson } from "../cli.js";
import { MeshCommand } from "../command.js";
import { openHome } from "../door.js";
import { formatTime } from "../text.js";

interface Options {
  home?: string;
  collective?: string;
  json?: boolean;
}

export function identityRenewCommand(cli: Cli): MeshCommand {
  return new MeshCommand("renew")
    .description("get a new certificate now; it is renewed by itself when it is used in time")
    .option("--collective <name>", "for this collective instead of the current one")
    .option("--home <directory>", "data directory instead of MESH_HOME")
    .option("--json", "as JSON")
    .withExamples("mesh identity renew")
    .action(async (options: Options) => {
      const home = await openHome(cli, options);
      const { loadCollective } = await import("@hearthmesh/client");
      const { clock, log } = cli;
      const name = options.collective;
      const { record } = await loadCollective({ home, name, clock, log, renew: "always" });
      if (options.json === true) return printJson(cli, record);
      const until = formatTime(record.certificateNotAfterMs);
      print(cli, `The certificate for ${record.name} is good until ${until}.`);
    });
}
