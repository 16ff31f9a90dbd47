import { formatBytes } from "@hearthmesh/core";
import { type Cli, print, printJson } from "../cli.js";
import { MeshCommand } from "../command.js";
import { loadDaemon } from "../daemon.js";
import { daemonFlags, withDaemonOptions } from "../daemon-options.js";
import { usageError } from "../failures.js";
import { waitingFor } from "../input.js";
import { plural } from "../text.js";

type Engine = "sqlite" | "etcd";

export function storeMigrateCommand(cli: Cli): MeshCommand {
  const command = new MeshCommand("migrate")
    .description("move the records of this home to the other engine, with its node stopped")
    .requiredOption("--from <engine>", "sqlite or etcd: what they are kept in now")
    .requiredOption("--to <engine>", "the other one")
    .option("--json", "what was done, as JSON")
    .withExamples(
      "mesh store migrate --from sqlite --to etcd",
      "mesh store migrate --from etcd --to sqlite",
    );
  return withDaemonOptions(command).action(async (options: Record<string, unknown>) => {
    const from = engineOf(options.from, "--from");
    const to = engineOf(options.to, "--to");
    if (from === to) throw usageError("--from and --to name the same engine");
    const { env, cwd, clock, random, log, signal } = cli;
    const { migrateHome } = await loadDaemon();
    const moving = migrateHome({
      flags: daemonFlags(options),
      env,
      cwd,
      clock,
      random,
      log,
      signal,
      from,
      to,
    });
    const done = await waitingFor(cli, `Moving the store from ${from} to ${to}`, moving);
    if (options.json === true) return printJson(cli, done);
    const leased = done.leasedKeys === 0 ? "" : `, and ${done.leasedKeys} that live with a lease`;
    const size = formatBytes(done.bytes);
    print(cli, `Moved ${plural(done.keys, "key")} (${size}), each compared${leased}.`);
    if (done.kept !== undefined) print(cli, `The old store is kept in ${done.kept}.`);
    print(cli, `Next: mesh up   (it runs on ${to} from now on)`);
  });
}

function engineOf(value: unknown, flag: string): Engine {
  if (value === "sqlite" || value === "etcd") return value;
  throw usageError(`${flag} is sqlite or etcd, not ${JSON.stringify(value)}`);
}
