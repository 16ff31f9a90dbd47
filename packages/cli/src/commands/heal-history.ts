import { type Cli, print, printJson } from "../cli.js";
import { MeshCommand } from "../command.js";
import { type DoorOptions, throughNodeDoor, withDoorOptions } from "../door.js";
import { lastedText, paintIncidentState, remediesText } from "../healing/heal-text.js";
import { formatTable } from "../table.js";
import { formatMoment, printable } from "../text.js";
import { parseWholeNumber } from "../whole-number.js";

interface Options extends DoorOptions {
  kind?: string;
  node?: string;
  limit: string;
  before?: string;
  json?: boolean;
}

export function healHistoryCommand(cli: Cli): MeshCommand {
  const command = new MeshCommand("history")
    .description("incidents, the newest first; the leading coordinator knows those of all nodes")
    .option("--kind <symptom>", "this kind alone, such as peer-unreachable")
    .option("--node <name>", "seen by this node alone: name or id")
    .option("--limit <number>", "this many at most, 1 to 100", "20")
    .option("--before <incident>", "older than this one")
    .option("--json", "as JSON")
    .withExamples(
      "mesh heal history",
      "mesh heal history --kind process-down --node attic --limit 5",
      "mesh heal history --json | jq '.incidents[] | {id, title, state}'",
    );
  return withDoorOptions(command).action(async (options: Options) => {
    const { kind, node, before } = options;
    const limit = parseWholeNumber(options.limit, "--limit", { most: 100 });
    await throughNodeDoor(cli, options, async ({ api }) => {
      const { listIncidents } = await import("@hearthmesh/client");
      const answer = await listIncidents(api, { kind, node, before, limit });
      if (options.json === true) return printJson(cli, answer);
      const { incidents, more } = answer;
      if (incidents.length === 0) return print(cli, "No incident.");
      const nowMs = cli.clock.nowMs();
      const rows = incidents.map((incident) => [
        formatMoment(incident.openedAtMs),
        printable(incident.id),
        printable(incident.nodeName),
        paintIncidentState(cli, incident.state),
        lastedText(incident, nowMs),
        remediesText(incident),
        printable(incident.title),
      ]);
      const titles = ["TIME", "INCIDENT", "SEEN BY", "STATE", "LASTED", "REMEDIES", "WHAT"];
      const columns = titles.map((title) => ({ title }));
      for (const line of formatTable(columns, rows, cli.colours.dim)) print(cli, line);
      const last = incidents.at(-1);
      if (more && last !== undefined) {
        print(cli, cli.colours.dim(`More: mesh heal history --before ${printable(last.id)}`));
      }
    });
  });
}
