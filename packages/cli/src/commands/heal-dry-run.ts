import type { HealingPlanResponse } from "@hearthmesh/gateway/contracts";
import { type Cli, print, printJson } from "../cli.js";
import { MeshCommand } from "../command.js";
import { type DoorOptions, throughNodeDoor, withDoorOptions } from "../door.js";
import { usageError } from "../failures.js";
import { modeSentence, paintSeverity } from "../healing/heal-text.js";
import { formatTable } from "../table.js";
import { printable } from "../text.js";

interface Options extends DoorOptions {
  on?: boolean;
  off?: boolean;
  json?: boolean;
}

export function healDryRunCommand(cli: Cli): MeshCommand {
  const command = new MeshCommand("dry-run")
    .description("look at everything now and say what would be done; or only say so from now on")
    .option("--on", "from now on only say what would be done")
    .option("--off", "act again")
    .option("--json", "as JSON")
    .withExamples("mesh heal dry-run", "mesh heal dry-run --on", "mesh heal dry-run --off");
  return withDoorOptions(command).action(async (options: Options) => {
    const { on, off } = options;
    if (on === true && off === true) throw usageError("--on and --off exclude each other");
    await throughNodeDoor(cli, options, async ({ api }) => {
      const { planHealing, setHealingDryRun } = await import("@hearthmesh/client");
      if (on === true || off === true) {
        const answer = await setHealingDryRun(api, on === true);
        if (options.json === true) return printJson(cli, answer);
        return print(cli, modeSentence(cli, answer));
      }
      const plan = await planHealing(api);
      if (options.json === true) return printJson(cli, plan);
      for (const line of planLines(cli, plan)) print(cli, line);
    });
  });
}

function planLines(cli: Cli, { planned }: HealingPlanResponse): string[] {
  if (planned.length === 0) return ["Nothing is wrong that can be seen: nothing would be done."];
  const { bold, dim, green, yellow } = cli.colours;
  return planned.flatMap(({ title, severity, candidates }) => {
    const head = `${bold(printable(title))} (${paintSeverity(cli, severity)})`;
    const best = candidates.find(({ blockedBy }) => blockedBy === undefined);
    if (candidates.length === 0) return [head, "  There is no remedy: a person is needed."];
    const rows = candidates.map((candidate) => {
      const { remedy, score, success, uses, blockedBy, text } = candidate;
      const used = uses < 0.05 ? "" : `${Math.round(success * 100)} % of ${Math.round(uses)}`;
      const what = blockedBy === undefined ? printable(text) : yellow(printable(blockedBy));
      const mark =
        candidate === best ? green("would do") : blockedBy === undefined ? "" : "not now";
      return [`  ${mark}`, printable(remedy), score.toFixed(2), used, what];
    });
    const columns = ["  ", "REMEDY", "SCORE", "HELPED", "WHAT"].map((title) =>
      title === "SCORE" ? { title, align: "right" as const } : { title },
    );
    return [head, ...formatTable(columns, rows, dim)];
  });
}
