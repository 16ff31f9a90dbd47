import type { Cli } from "../cli.js";
import { collect, MeshCommand } from "../command.js";
import { loadResident } from "../daemon.js";
import { parsePort } from "./service-add.js";

interface Options {
  home?: string;
  port: string;
  host: string;
  advertise?: string[];
  tokenFile?: string;
  logLevel?: string;
}

/** Also the program `mesh-relay`. */
export function relayCommand(cli: Cli, name = "relay"): MeshCommand {
  return new MeshCommand(name)
    .description("run a relay: nodes without a direct path reach each other through it")
    .option("--home <directory>", "data directory of the node beside it, instead of MESH_HOME")
    .option("--port <port>", "TCP port for links; membership uses the same number in UDP", "4001")
    .option("--host <host>", "address to listen on", "0.0.0.0")
    .option("--advertise <host>", "host under which others reach it; may be repeated", collect)
    .option("--token-file <file>", "invite for a machine without the member's coordinator")
    .option("--log-level <level>", "debug, info, warn or error")
    .withExamples("mesh-relay --port 4001", "mesh relay --token-file invite.txt")
    .action(async (options: Options) => {
      const { home, advertise, tokenFile, logLevel, host } = options;
      const port = parsePort(options.port, "--port");
      const { runRelay } = await loadResident();
      const flags = { home, advertise, "token-file": tokenFile, "log-level": logLevel };
      await runRelay({ flags, env: cli.env, cwd: cli.cwd, port, host });
    });
}
