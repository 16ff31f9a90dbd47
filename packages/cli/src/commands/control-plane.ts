import type { Cli } from "../cli.js";
import { MeshCommand } from "../command.js";
import { loadResident } from "../daemon.js";
import { parsePort } from "./service-add.js";

interface Options {
  home?: string;
  port: string;
  host: string;
  logLevel?: string;
}

/** Also the program `mesh-control-plane`. */
export function controlPlaneCommand(cli: Cli, name = "control-plane"): MeshCommand {
  return new MeshCommand(name)
    .description("run the HTTP backup for joining a pool, and take inference jobs")
    .option("--home <directory>", "data directory of the node beside it, instead of MESH_HOME")
    .option("--port <port>", "HTTP port; when it is in use, the next free one of 100", "8080")
    .option("--host <host>", "address to listen on; 0.0.0.0 lets others join here", "127.0.0.1")
    .option("--log-level <level>", "debug, info, warn or error")
    .withExamples("mesh-control-plane --port 8080", "mesh control-plane --host 0.0.0.0")
    .action(async ({ home, logLevel, host, port: text }: Options) => {
      const port = parsePort(text, "--port");
      const { runControlPlane } = await loadResident();
      const flags = { home, "log-level": logLevel };
      await runControlPlane({ flags, env: cli.env, cwd: cli.cwd, port, host });
    });
}
