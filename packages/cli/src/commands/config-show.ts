import { MeshError } from "@hearthmesh/core";
import { type Cli, note, print, printJson } from "../cli.js";
import { MeshCommand } from "../command.js";
import { loadDaemon } from "../daemon.js";
import { daemonFlags, withDaemonOptions } from "../daemon-options.js";
import { formatTable } from "../table.js";

export function configShowCommand(cli: Cli): MeshCommand {
  const command = new MeshCommand("show")
    .description("the configuration that mesh up would use here, with the same flags")
    .option("--effective", "values with defaults, not only those that were set")
    .option("--origin", "where each value comes from")
    .option("--json", "as JSON")
    .withExamples("mesh config show --effective --origin");
  return withDaemonOptions(command).action(async (options: Record<string, unknown>) => {
    const { describeConfig } = await loadDaemon();
    const { env, cwd } = cli;
    const described = describeConfig({ flags: daemonFlags(options), env, cwd });
    const all = options.effective === true;
    const keys = described.keys.filter((one) => all || one.origin !== "default");
    if (options.json === true) printJson(cli, { ...described, keys });
    else {
      const rows = keys.map((one) => [
        one.key,
        one.value === undefined ? "" : JSON.stringify(one.value),
        ...(options.origin === true ? [one.origin] : []),
      ]);
      const titles = ["KEY", "VALUE", ...(options.origin === true ? ["FROM"] : [])];
      const columns = titles.map((title) => ({ title }));
      for (const line of formatTable(columns, rows, cli.colours.dim)) print(cli, line);
      if (keys.length === 0) note(cli, "Nothing is set: --effective shows the defaults.");
    }
    if (described.problem !== undefined) {
      throw new MeshError("MESH_CONFIG_INVALID", { message: described.problem });
    }
  });
}
