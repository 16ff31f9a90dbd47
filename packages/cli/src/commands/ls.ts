import type { FileAccess } from "@hearthmesh/client";
import { formatBytes, printableJson } from "@hearthmesh/core";
import type { EntryView } from "@hearthmesh/gateway/contracts";
import { type Cli, print } from "../cli.js";
import { MeshCommand } from "../command.js";
import { type DoorOptions, throughDoor, withDoorOptions } from "../door.js";
import { formatTable } from "../table.js";
import { formatTime, printable } from "../text.js";
import { walk } from "../trees/walk.js";

interface Options extends DoorOptions {
  long?: boolean;
  recursive?: boolean;
  json?: boolean;
}

/**
 * Rows of a long listing that are laid out together; longer listings get a new layout after them.
 */
const LONG_ROWS_MAX = 1000;

export function lsCommand(cli: Cli): MeshCommand {
  const command = new MeshCommand("ls")
    .description("list a directory")
    .argument("[path]", "directory in the collective", "/")
    .option("-l, --long", "with size, time and owner")
    .option("-r, --recursive", "with all that is below it")
    .option("--json", "one JSON array of entries")
    .withExamples("mesh ls /shared", "mesh ls -l /shared/media", "mesh ls -r --json /shared");
  return withDoorOptions(command).action(async (path: string, options: Options) => {
    await throughDoor(cli, options, async (door) => {
      const files = await door.files();
      await printListing(cli, entriesOf(cli, files, path, options.recursive === true), options);
    });
  });
}

async function* entriesOf(
  cli: Cli,
  files: FileAccess,
  path: string,
  recursive: boolean,
): AsyncGenerator<EntryView> {
  const entry = await files.stat(path, cli.signal);
  if (entry.kind === "file") yield entry;
  else if (recursive) yield* walk(files, path, cli.signal);
  else yield* files.list(path, cli.signal);
}

async function printListing(
  cli: Cli,
  entries: AsyncIterable<EntryView>,
  options: Options,
): Promise<void> {
  const name = (entry: EntryView) => {
    const text = printable(options.recursive === true ? entry.path : entry.name);
    return entry.kind === "directory" ? `${cli.colours.blue(text)}/` : text;
  };
  if (options.json === true) return printJsonArray(cli, entries);
  let rows: string[][] = [];
  const flush = () => {
    for (const line of formatTable(LONG_COLUMNS, rows, cli.colours.dim)) print(cli, line);
    rows = [];
  };
  for await (const entry of entries) {
    if (options.long !== true) print(cli, name(entry));
    else {
      const isFile = entry.kind === "file";
      const size = isFile ? formatBytes(entry.sizeBytes) : "-";
      const owner = printable(entry.owner.split("/").at(-1) ?? entry.owner);
      rows.push([
        isFile ? "file" : "dir",
        size,
        formatTime(entry.modifiedAtMs),
        owner,
        name(entry),
      ]);
      if (rows.length === LONG_ROWS_MAX) flush();
    }
  }
  if (rows.length > 0) flush();
}

const LONG_COLUMNS = [
  { title: "KIND" },
  { title: "SIZE", align: "right" as const },
  { title: "CHANGED" },
  { title: "BY" },
  { title: "NAME" },
];

/** Written as it comes, so that a large directory needs no memory. */
async function printJsonArray(cli: Cli, entries: AsyncIterable<EntryView>): Promise<void> {
  let before = "[";
  for await (const entry of entries) {
    cli.stdout.write(`${before}\n  ${printableJson(JSON.stringify(entry))}`);
    before = ",";
  }
  print(cli, before === "[" ? "[]" : "\n]");
}
