import { type Cli, note } from "../cli.js";
import { MeshCommand } from "../command.js";
import { loadNode } from "../daemon.js";
import { daemonFlags, withDaemonOptions } from "../daemon-options.js";
import { readCode } from "../input.js";

export function joinCommand(cli: Cli): MeshCommand {
  const command = new MeshCommand("join")
    .description("make this machine a node of a member that invited it, and start it")
    .argument("<invite>", "invite code or link; - reads it from standard input")
    .option("--no-start", "join only; start later with mesh up")
    .withExamples(
      "mesh join hm1-alice-...@alice.example:9001",
      "mesh join - --name attic --capacity 200GB < invite.txt",
    );
  return withDaemonOptions(command).action(
    async (argument: string, options: Record<string, unknown>) => {
      const invite = await readCode(cli, argument);
      const flags = daemonFlags(options);
      const { joinMember, runDaemon } = await loadNode();
      const { env, cwd } = cli;
      const name = typeof options.name === "string" ? options.name : undefined;
      await joinMember({ invite, name, flags, env, cwd });
      if (options.start === false) {
        note(cli, "Joined. Start the node with: mesh up");
        return;
      }
      await runDaemon({ flags, env, cwd });
    },
  );
}
