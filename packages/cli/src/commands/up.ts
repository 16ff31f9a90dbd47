import type { Cli } from "../cli.js";
import { MeshCommand } from "../command.js";
import { loadNode } from "../daemon.js";
import { daemonFlags, withDaemonOptions } from "../daemon-options.js";

export function upCommand(cli: Cli): MeshCommand {
  const command = new MeshCommand("up")
    .description("start this machine's node and stay in the foreground")
    .withExamples(
      "mesh up",
      "mesh up --member alice --capacity 512MB",
      "mesh up --home ~/second-node --port-base 100",
    );
  return withDaemonOptions(command).action(async (options: Record<string, unknown>) => {
    const { runDaemon } = await loadNode();
    await runDaemon({ flags: daemonFlags(options), env: cli.env, cwd: cli.cwd });
  });
}

/** The same node under the name of the LAN pool guide: its log is that of the agent. */
export function startCommand(cli: Cli): MeshCommand {
  const command = new MeshCommand("start")
    .description("the same as up, for a node of a pool: it writes its log to agent.log")
    .withExamples("mesh start", "mesh start --peer 192.168.1.10:9000");
  return withDaemonOptions(command).action(async (options: Record<string, unknown>) => {
    const { runDaemon } = await loadNode();
    const flags = daemonFlags(options);
    await runDaemon({ flags, env: cli.env, cwd: cli.cwd, logName: "agent" });
  });
}
