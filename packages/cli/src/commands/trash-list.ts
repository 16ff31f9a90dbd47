import { formatBytes } from "@hearthmesh/core";
import type { TrashEntryView } from "@hearthmesh/gateway/contracts";
import { type Cli, note, print, printJson } from "../cli.js";
import { MeshCommand } from "../command.js";
import { type DoorOptions, throughDoor, withDoorOptions } from "../door.js";
import { formatTable } from "../table.js";
import { formatDuration, formatTime, printable } from "../text.js";

interface Options extends DoorOptions {
  json?: boolean;
}

export function trashListCommand(cli: Cli): MeshCommand {
  const command = new MeshCommand("list")
    .description("what was removed and can be had back, newest first")
    .argument("[path]", "only what lay there or below")
    .option("--json", "as JSON")
    .withExamples("mesh trash list", "mesh trash list /shared/photos");
  return withDoorOptions(command).action(async (path: string | undefined, options: Options) => {
    await throughDoor(cli, options, async ({ api }) => {
      const { listTrash } = await import("@hearthmesh/client");
      const entries: TrashEntryView[] = [];
      for await (const entry of listTrash(api, path)) entries.push(entry);
      if (options.json === true) return printJson(cli, { entries });
      if (entries.length === 0) return note(cli, "the trash is empty");
      const titles = ["ID", "REMOVED", "GOES IN", "SIZE", "PATH"];
      const columns = titles.map((title) =>
        title === "SIZE" ? { title, align: "right" as const } : { title },
      );
      const rows = entries.map((entry) => rowOf(cli, entry));
      for (const line of formatTable(columns, rows, cli.colours.dim)) print(cli, line);
    });
  });
}

function rowOf(cli: Cli, entry: TrashEntryView): string[] {
  const { id, path, kind, sizeBytes, deletedAtMs, endsAtMs } = entry;
  const ends = endsAtMs === null ? "never" : formatDuration(endsAtMs - cli.clock.nowMs());
  const isTree = kind === "directory";
  return [
    id,
    formatTime(deletedAtMs),
    ends,
    isTree ? "" : formatBytes(sizeBytes),
    isTree ? `${printable(path)}/` : printable(path),
  ];
}
