import { type Cli, note, print, printJson } from "../cli.js";
import { MeshCommand } from "../command.js";
import { loadDaemon } from "../daemon.js";

interface Options {
  networkId: string;
  name?: string;
  home?: string;
  json?: boolean;
}

export function initCommand(cli: Cli): MeshCommand {
  return new MeshCommand("init")
    .description("prepare this machine: its name and network, before it makes or joins a pool")
    .option("--network-id <id>", "name of the network; both machines use the same", "home")
    .option("--name <name>", "name of this machine; default: its host name")
    .option("--home <directory>", "data directory instead of MESH_HOME")
    .option("--json", "as JSON")
    .withExamples("mesh init --network-id test --name Device1")
    .action(async ({ networkId, name, home, json }: Options) => {
      const { prepareHome } = await loadDaemon();
      const { env, cwd } = cli;
      const flags = home === undefined ? {} : { home };
      const prepared = await prepareHome({ networkId, name, flags, env, cwd });
      if (json === true) return printJson(cli, prepared);
      print(
        cli,
        `This machine is prepared: ${prepared.nodeName} in network ${prepared.networkId}.`,
      );
      if (name !== undefined && name !== prepared.nodeName) {
        note(cli, `Names have small letters, digits and hyphens: ${name} is ${prepared.nodeName}.`);
      }
      print(cli, cli.colours.dim("Next: mesh pool create --name NAME, or mesh pool join ..."));
    });
}
