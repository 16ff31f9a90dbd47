import { type Cli, print, printJson } from "../cli.js";
import { MeshCommand } from "../command.js";
import { openHome } from "../door.js";

export function identitySwitchCommand(cli: Cli): MeshCommand {
  return new MeshCommand("switch")
    .description("choose the collective that commands use")
    .argument("<collective>", "its name, its domain, or <name>-homelab")
    .option("--home <directory>", "data directory instead of MESH_HOME")
    .option("--json", "as JSON")
    .withExamples("mesh identity switch alice", "mesh identity switch bob-homelab")
    .action(async (name: string, options: { home?: string; json?: boolean }) => {
      const home = await openHome(cli, options);
      const record = await home.switchTo(name);
      if (options.json === true) return printJson(cli, record);
      print(cli, `Commands now use ${record.name} (${record.trustDomain}).`);
    });
}
