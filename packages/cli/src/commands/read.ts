import { formatBytes } from "@hearthmesh/core";
import { type Cli, note, printJson } from "../cli.js";
import { MeshCommand } from "../command.js";
import { type Door, type DoorOptions, throughDoor, withDoorOptions } from "../door.js";
import { usageError } from "../failures.js";
import { saveFile, writeOut } from "../output-file.js";
import { showProgress } from "../progress.js";
import { plural } from "../text.js";
import { downloadTree } from "../trees/download-tree.js";

interface Options extends DoorOptions {
  output?: string;
  range?: string;
  recursive?: boolean;
  quiet?: boolean;
  json?: boolean;
}

export function readCommand(cli: Cli): MeshCommand {
  const command = new MeshCommand("read")
    .description("read a file to standard output or to a local file")
    .argument("<path>", "file in the collective, or with -r a directory")
    .option("-o, --output <file>", "local file, or with -r a local directory")
    .option("--range <first-last>", "only these bytes, counted from 0: 0-99, 100-")
    .option("-r, --recursive", "read a whole directory, several files at a time")
    .option("-q, --quiet", "say nothing when it went well")
    .option("--json", "with -o: what was read, as JSON")
    .withExamples(
      "mesh read /shared/README.txt",
      "mesh read /shared/media/film.mp4 -o film.mp4",
      "mesh read /shared/big.bin --range 0-1023 | xxd",
      "mesh read -r /shared/photos -o ./photos",
    );
  return withDoorOptions(command).action(async (path: string, options: Options) => {
    if (options.recursive === true) await readTree(cli, path, options);
    else await throughDoor(cli, options, (door) => readFile(cli, door, path, options));
  });
}

async function readFile(cli: Cli, door: Door, path: string, options: Options): Promise<void> {
  const range = parseRange(options.range);
  const files = await door.files();
  const { entry, stream } = await files.read(path, { ...range, signal: cli.signal });
  if (options.output === undefined || options.output === "-") return writeOut(cli, stream);
  const last = Math.min(range.endInclusive ?? entry.sizeBytes - 1, entry.sizeBytes - 1);
  const bar = await showProgress(cli, `Reading ${path}`, last + 1 - (range.start ?? 0));
  try {
    const bytes = await saveFile(cli, options.output, stream, (done) => bar.update(done));
    bar.end();
    if (options.json === true) printJson(cli, { entry, bytes, output: options.output });
    else if (options.quiet !== true) {
      note(cli, `Read ${path} (${formatBytes(bytes)}) to ${options.output}.`);
    }
  } finally {
    bar.end();
  }
}

async function readTree(cli: Cli, path: string, options: Options): Promise<void> {
  const { output } = options;
  if (output === undefined) {
    throw usageError("-r needs a local directory: mesh read -r /shared/photos -o ./photos");
  }
  if (options.range !== undefined) throw usageError("--range is for a single file");
  await throughDoor(cli, options, async (door) => {
    const files = await door.files();
    const bar = await showProgress(cli, `Reading ${path}`, undefined);
    try {
      const onBytes = (bytes: number) => bar.update(bytes);
      const done = await downloadTree({ cli, files, remote: path, output, onBytes });
      bar.end();
      if (options.json === true) printJson(cli, done);
      else if (options.quiet !== true) {
        note(cli, `Read ${plural(done.files, "file")} (${formatBytes(done.bytes)}) to ${output}.`);
      }
    } finally {
      bar.end();
    }
  });
}

/** `0-99`, `100-`: first and last byte. */
export function parseRange(text: string | undefined): { start?: number; endInclusive?: number } {
  if (text === undefined) return {};
  const match = /^(\d{1,15})-(\d{1,15})?$/.exec(text);
  const start = Number(match?.[1]);
  const end = match?.[2] === undefined ? undefined : Number(match[2]);
  if (match === null || (end !== undefined && end < start)) {
    throw usageError(
      `${JSON.stringify(text)} is not a range`,
      "Write the first and the last byte, counted from 0: 0-99, or 100- to the end.",
    );
  }
  return end === undefined ? { start } : { start, endInclusive: end };
}
