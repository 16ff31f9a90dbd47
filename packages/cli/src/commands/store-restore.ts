import { resolve } from "node:path";
import { type Cli, print, printJson } from "../cli.js";
import { MeshCommand } from "../command.js";
import { loadDaemon } from "../daemon.js";
import { daemonFlags, withDaemonOptions } from "../daemon-options.js";
import { usageError } from "../failures.js";
import { waitingFor } from "../input.js";
import { plural } from "../text.js";

export function storeRestoreCommand(cli: Cli): MeshCommand {
  const command = new MeshCommand("restore")
    .description("put a snapshot in the place of the store of this home, with its node stopped")
    .argument("[file]", "a snapshot; its hash is checked before anything is touched")
    .option("--rejoin", "instead: put the data here aside, and join the others' store at the start")
    .option("--json", "what was done, as JSON")
    .withExamples(
      "mesh store restore store-20261121T031500Z.db",
      "mesh store restore --rejoin    # then on every other coordinator",
    );
  return withDaemonOptions(command).action(
    async (file: string | undefined, options: Record<string, unknown>) => {
      const sources = { flags: daemonFlags(options), env: cli.env, cwd: cli.cwd };
      const { clock, random, log } = cli;
      const offline = { ...sources, clock, random, log };
      const rejoin = options.rejoin === true;
      if (rejoin === (file !== undefined)) {
        throw usageError("name a snapshot, or --rejoin, and not both");
      }
      const { rejoinStore, restoreStore } = await loadDaemon();
      if (file === undefined) {
        const done = await rejoinStore(offline);
        if (options.json === true) return printJson(cli, done);
        sayKept(cli, done.kept);
        print(cli, "Next: mesh up, which joins the store of the other coordinators.");
        return;
      }
      const restoring = restoreStore({ ...offline, file: resolve(cli.cwd, file) });
      const done = await waitingFor(cli, "Restoring the store", restoring);
      if (options.json === true) return printJson(cli, done);
      print(cli, `Restored ${plural(done.keys, "key")} (${done.engine}).`);
      sayKept(cli, done.kept);
      print(cli, "Next: mesh up");
      if (done.engine === "etcd") {
        print(cli, "On every other coordinator, stopped: mesh store restore --rejoin");
      }
    },
  );
}

function sayKept(cli: Cli, kept: string | undefined): void {
  if (kept !== undefined) print(cli, `What was there before is in ${kept}.`);
}
