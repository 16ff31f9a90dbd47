import { type Cli, print, printJson } from "../cli.js";
import { MeshCommand } from "../command.js";
import { openHome } from "../door.js";
import { formatTime, plural } from "../text.js";

export function identityShowCommand(cli: Cli): MeshCommand {
  return new MeshCommand("show")
    .description("who you are on this machine")
    .option("--home <directory>", "data directory instead of MESH_HOME")
    .option("--json", "as JSON")
    .withExamples("mesh identity show")
    .action(async (options: { home?: string; json?: boolean }) => {
      const home = await openHome(cli, options);
      const identity = await home.requireIdentity();
      const collectives = await home.collectives();
      if (options.json === true) return printJson(cli, { identity, collectives });
      print(cli, `identity     ${identity.globalId}`);
      if (identity.displayName !== undefined) print(cli, `name         ${identity.displayName}`);
      print(cli, `key          ${identity.nodeId}`);
      print(cli, `made         ${formatTime(identity.createdAtMs)}`);
      print(cli, `kept in      ${home.path}`);
      print(cli, `member of    ${plural(collectives.length, "collective")}`);
    });
}
