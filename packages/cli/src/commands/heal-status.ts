import type { HealingStatusResponse } from "@hearthmesh/gateway/contracts";
import { type Cli, print, printJson } from "../cli.js";
import { MeshCommand } from "../command.js";
import { type DoorOptions, throughNodeDoor, withDoorOptions } from "../door.js";
import {
  lastedText,
  paintIncidentState,
  paintMode,
  paintSeverity,
  remediesText,
  untilText,
} from "../healing/heal-text.js";
import { formatTable } from "../table.js";
import { formatDuration, plural, printable } from "../text.js";

export function healStatusCommand(cli: Cli): MeshCommand {
  const command = new MeshCommand("status")
    .description("what the healer of this node sees, what is open, and whether it may act")
    .option("--json", "as JSON")
    .withExamples(
      "mesh heal status",
      "mesh heal status --json | jq '.open[] | {id, title, state}'",
    );
  return withDoorOptions(command).action(async (options: DoorOptions & { json?: boolean }) => {
    await throughNodeDoor(cli, options, async ({ api, name }) => {
      const { healingStatus } = await import("@hearthmesh/client");
      const status = await healingStatus(api);
      if (options.json === true) return printJson(cli, status);
      print(cli, headLine(cli, status));
      print(cli, cli.colours.dim(`asked ${name}`));
      for (const line of [...openLines(cli, status), ...monitorLines(cli, status)]) {
        print(cli, line);
      }
      for (const line of remedyLines(cli, status)) print(cli, line);
    });
  });
}

function headLine(cli: Cli, status: HealingStatusResponse): string {
  const { nodeName, mode, pausedUntilMs, verdict, open, monitors } = status;
  const { bold, green, red, yellow } = cli.colours;
  const until = pausedUntilMs === null ? "" : ` ${untilText(pausedUntilMs)}`;
  const blind = monitors.filter((monitor) => monitor.verdict === "unknown").length;
  const words = {
    well: green("nothing is wrong that can be seen"),
    ill: red(plural(open.length, "incident is open", "incidents are open")),
    unknown: yellow(`${plural(blind, "monitor")} cannot see: not known whether all is well`),
  };
  return `${bold(printable(nodeName))}, ${paintMode(cli, mode)}${until}: ${words[verdict]}`;
}

function openLines(cli: Cli, { open }: HealingStatusResponse): string[] {
  if (open.length === 0) return [];
  const nowMs = cli.clock.nowMs();
  const rows = open.map((incident) => [
    printable(incident.id),
    lastedText(incident, nowMs),
    paintSeverity(cli, incident.severity),
    paintIncidentState(cli, incident.state),
    printable(incident.title),
    remediesText(incident),
  ]);
  const titles = ["INCIDENT", "FOR", "SEVERITY", "STATE", "WHAT", "REMEDIES"];
  const columns = titles.map((title) => ({ title }));
  const more = cli.colours.dim("mesh heal explain <incident> tells all about one");
  return ["", ...formatTable(columns, rows, cli.colours.dim), more];
}

function monitorLines(cli: Cli, { monitors }: HealingStatusResponse): string[] {
  const { green, red, yellow, dim } = cli.colours;
  if (monitors.length === 0) return ["", "No monitor looks at anything on this node."];
  const paint = { well: green, ill: red, unknown: yellow };
  const nowMs = cli.clock.nowMs();
  const rows = monitors.map(({ name, verdict, facts, lookedAtMs }) => [
    printable(name),
    paint[verdict](verdict),
    String(facts),
    lookedAtMs === null ? "never" : `${formatDuration(nowMs - lookedAtMs)} ago`,
  ]);
  const columns = ["MONITOR", "SAYS", "FACTS", "LOOKED"].map((title) =>
    title === "FACTS" ? { title, align: "right" as const } : { title },
  );
  // Reasons are sentences: beside the table they would make it too wide.
  const reasons = monitors.flatMap(({ name, reason }) =>
    reason === undefined ? [] : [`${printable(name)}: ${printable(reason)}`],
  );
  return ["", ...formatTable(columns, rows, dim), ...reasons];
}

/** Remedies that were used or may not be; the rest is in the JSON. */
function remedyLines(cli: Cli, { remedies, suspended, budget }: HealingStatusResponse): string[] {
  const { dim, yellow } = cli.colours;
  const window = formatDuration(budget.windowMs);
  const left = `${budget.left} of ${plural(budget.of, "remedy", "remedies")} left in ${window}`;
  const told = remedies.filter(({ applied, breaker }) => applied > 0 || breaker !== "closed");
  const rows = told.map(({ name, applied, helped, failed, breaker }) => [
    printable(name),
    String(applied),
    String(helped),
    failed === 0 ? "0" : yellow(String(failed)),
    { closed: "", open: yellow("not for now: it failed too often"), "half-open": "on trial" }[
      breaker
    ],
  ]);
  const columns = ["REMEDY", "USED", "HELPED", "FAILED", ""].map((title) =>
    title === "REMEDY" || title === "" ? { title } : { title, align: "right" as const },
  );
  const table = rows.length === 0 ? [] : formatTable(columns, rows, dim);
  const resting = suspended.map(({ remedy, subject, failures, forMs }) => {
    const times = `failed ${failures} times in a row`;
    const wait = `tried again in ${formatDuration(forMs)} at the earliest`;
    return yellow(`${printable(remedy)} rests for ${printable(subject.name)}: ${times}, ${wait}`);
  });
  return [
    "",
    ...table,
    ...resting,
    `${plural(remedies.length, "remedy", "remedies")} known, ${left}`,
  ];
}
