import { MeshError } from "@hearthmesh/core";
import { type Cli, print, printJson } from "../cli.js";
import { MeshCommand } from "../command.js";
import { type Door, type DoorOptions, throughNodeDoor, withDoorOptions } from "../door.js";

interface Options extends DoorOptions {
  markdown?: boolean;
  json?: boolean;
}

/** Lines longer than this are hard to read, however wide the terminal is. */
const WIDTH_MAX = 100;
const WIDTH_MIN = 60;

export function healExplainCommand(cli: Cli): MeshCommand {
  const command = new MeshCommand("explain")
    .description("one incident from its first sign to its end: seen, decided, done, and its result")
    .argument("<incident>", "as `mesh heal history` shows it, or `last` for the newest")
    .option("--markdown", "as Markdown, for a note or a ticket")
    .option("--json", "as JSON")
    .withExamples(
      "mesh heal explain last",
      "mesh heal explain mi8k2x4c-9f31ab77",
      "mesh heal explain last --markdown > incident.md",
    );
  return withDoorOptions(command).action(async (id: string, options: Options) => {
    await throughNodeDoor(cli, options, async ({ api }) => {
      const { showIncident } = await import("@hearthmesh/client");
      const { incident } = await showIncident(api, id === "last" ? await newest(api) : id);
      if (options.json === true) return printJson(cli, { incident });
      const { incidentPage } = await import("@hearthmesh/gateway/incident-page");
      const { bold, dim } = cli.colours;
      const lines = incidentPage(incident, {
        nowMs: cli.clock.nowMs(),
        offsetMinutes: (atMs) => -new Date(atMs).getTimezoneOffset(),
        width: widthOf(cli),
        markdown: options.markdown === true,
        paint: { heading: bold, quiet: dim },
      });
      for (const line of lines) print(cli, line);
    });
  });
}

async function newest(api: Door["api"]): Promise<string> {
  const { listIncidents } = await import("@hearthmesh/client");
  const [last] = (await listIncidents(api, { limit: 1 })).incidents;
  if (last !== undefined) return last.id;
  throw new MeshError("MESH_NOT_FOUND", {
    message: "there was no incident yet",
    hint: "`mesh heal status` shows what is watched.",
  });
}

function widthOf({ stdout }: Cli): number {
  const { columns } = stdout as { columns?: number };
  return Math.max(WIDTH_MIN, Math.min(WIDTH_MAX, columns ?? WIDTH_MAX));
}
