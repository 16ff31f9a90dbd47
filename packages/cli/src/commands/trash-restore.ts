import type { ApiClient } from "@hearthmesh/client";
import { MeshError } from "@hearthmesh/core";
import { type Cli, print, printJson } from "../cli.js";
import { MeshCommand } from "../command.js";
import { type DoorOptions, throughDoor, withDoorOptions } from "../door.js";
import { printable } from "../text.js";

interface Options extends DoorOptions {
  to?: string;
  parents?: boolean;
  json?: boolean;
}

export function trashRestoreCommand(cli: Cli): MeshCommand {
  const command = new MeshCommand("restore")
    .description("bring something back; a path means what was removed there last")
    .argument("<id or path>", "as `mesh trash list` shows it")
    .option("--to <path>", "to this place instead of where it lay")
    .option("-p, --parents", "make directories that are missing")
    .option("--json", "as JSON")
    .withExamples(
      "mesh trash restore /shared/report.txt",
      "mesh trash restore /shared/report.txt --to /shared/report-before.txt",
    );
  return withDoorOptions(command).action(async (what: string, options: Options) => {
    await throughDoor(cli, options, async ({ api }) => {
      const { restoreTrash } = await import("@hearthmesh/client");
      const id = what.startsWith("/") ? await newestAt(api, what) : what;
      const { to, parents = false } = options;
      const request = { id, parents };
      const answer = await restoreTrash(api, to === undefined ? request : { ...request, to });
      if (options.json === true) return printJson(cli, answer);
      print(cli, `${printable(answer.entry.path)} is back`);
    });
  });
}

async function newestAt(api: ApiClient, path: string): Promise<string> {
  const { listTrash } = await import("@hearthmesh/client");
  const place = path.length > 1 ? path.replace(/\/$/, "") : path;
  for await (const entry of listTrash(api, place)) if (entry.path === place) return entry.id;
  throw new MeshError("MESH_NOT_FOUND", {
    message: `nothing that was removed at ${place} is in the trash`,
    hint: "`mesh trash list` shows what is there. A part of a removed directory comes with it.",
  });
}
