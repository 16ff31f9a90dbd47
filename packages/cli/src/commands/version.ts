import { type Cli, print, printJson } from "../cli.js";
import { MeshCommand } from "../command.js";
import { readVersion } from "../version.js";

export function versionCommand(cli: Cli): MeshCommand {
  return new MeshCommand("version")
    .description("the version of this program and of what it runs on")
    .option("--json", "as JSON")
    .withExamples("mesh version")
    .action(async (options: { json?: boolean }) => {
      const version = await readVersion();
      const { platform, arch, version: node } = process;
      if (options.json === true) return printJson(cli, { version, node, platform, arch });
      print(cli, `hearthmesh ${version} (Node ${node}, ${platform} ${arch})`);
    });
}
