import { createReadStream } from "node:fs";
import { stat } from "node:fs/promises";
import { basename, resolve } from "node:path";
import { formatBytes } from "@hearthmesh/core";
import { type Cli, note, print, printJson } from "../cli.js";
import { MeshCommand } from "../command.js";
import { type DoorOptions, throughDoor, withDoorOptions } from "../door.js";
import { usageError } from "../failures.js";
import { showProgress } from "../progress.js";
import { plural } from "../text.js";
import { uploadTree } from "../trees/upload-tree.js";

interface Options extends DoorOptions {
  recursive?: boolean;
  ifMatch?: string;
  quiet?: boolean;
  json?: boolean;
}

/** One read from the local disk; a quarter of a chunk keeps reading and sending side by side. */
const READ_BYTES = 256 * 1024;

export function writeCommand(cli: Cli): MeshCommand {
  const command = new MeshCommand("write")
    .description("write a file from standard input or from a local file")
    .argument("<path>", "where it goes in the collective; with / at the end, under its own name")
    .argument("[file]", "local file, or with -r a local directory; - or nothing: standard input")
    .option("-r, --recursive", "write a whole directory, several files at a time")
    .option("--if-match <etag>", 'only when the file there has this etag; "*" any, "" none')
    .option("-q, --quiet", "say nothing when it went well")
    .option("--json", "the new entry as JSON")
    .withExamples(
      'echo "Welcome" | mesh write /shared/README.txt',
      "mesh write /shared/media/ ~/Downloads/film.mp4",
      "mesh write -r /shared/photos ./photos",
    );
  return withDoorOptions(command).action(
    async (path: string, file: string | undefined, options: Options) => {
      if (options.recursive === true) await writeTree(cli, path, file, options);
      else await writeFile(cli, path, file, options);
    },
  );
}

async function writeFile(
  cli: Cli,
  path: string,
  file: string | undefined,
  options: Options,
): Promise<void> {
  const source = await openSource(cli, file);
  const target = path.endsWith("/") && path.length > 1 ? `${path}${nameOf(file)}` : path;
  await throughDoor(cli, options, async (door) => {
    const files = await door.files();
    const bar = await showProgress(cli, `Writing ${target}`, source.sizeBytes);
    try {
      const entry = await files.write(target, source.bytes, {
        signal: cli.signal,
        onProgress: ({ bytesSafe }) => bar.update(bytesSafe),
        ...(options.ifMatch === undefined ? {} : { ifMatch: options.ifMatch }),
      });
      bar.end();
      if (options.json === true) printJson(cli, entry);
      else if (options.quiet !== true) {
        note(cli, `Wrote ${entry.path} (${formatBytes(entry.sizeBytes)}).`);
      }
    } finally {
      bar.end();
    }
  });
}

async function writeTree(
  cli: Cli,
  path: string,
  directory: string | undefined,
  options: Options,
): Promise<void> {
  if (directory === undefined || directory === "-") {
    throw usageError("-r needs a local directory: mesh write -r /shared/photos ./photos");
  }
  if (options.ifMatch !== undefined) throw usageError("--if-match is for a single file");
  const local = resolve(cli.cwd, directory);
  if (!(await stat(local)).isDirectory()) throw usageError(`${directory} is not a directory`);
  await throughDoor(cli, options, async (door) => {
    const files = await door.files();
    const bar = await showProgress(cli, `Writing ${path}`, undefined);
    try {
      const done = await uploadTree({
        files,
        local,
        remote: path,
        signal: cli.signal,
        onBytes: (bytes) => bar.update(bytes),
      });
      bar.end();
      for (const skipped of done.skipped) note(cli, `skipped ${skipped} (not a file)`);
      if (options.json === true) return printJson(cli, done);
      if (options.quiet !== true) {
        print(cli, `Wrote ${plural(done.files, "file")} (${formatBytes(done.bytes)}) to ${path}.`);
      }
    } finally {
      bar.end();
    }
  });
}

async function openSource(
  cli: Cli,
  file: string | undefined,
): Promise<{ bytes: AsyncIterable<Uint8Array>; sizeBytes: number | undefined }> {
  if (file === undefined || file === "-") {
    if (cli.interactive) note(cli, "Reading from the terminal; Ctrl-D ends the file.");
    return { bytes: asBytes(cli.stdin), sizeBytes: undefined };
  }
  const local = resolve(cli.cwd, file);
  const found = await stat(local);
  if (found.isDirectory()) throw usageError(`${file} is a directory`, "Use -r to write all of it.");
  const bytes = createReadStream(local, { highWaterMark: READ_BYTES });
  return { bytes, sizeBytes: found.isFile() ? found.size : undefined };
}

/** A stream in text mode would give strings. */
async function* asBytes(source: AsyncIterable<unknown>): AsyncGenerator<Uint8Array> {
  for await (const piece of source) {
    yield typeof piece === "string" ? Buffer.from(piece) : (piece as Uint8Array);
  }
}

function nameOf(file: string | undefined): string {
  if (file !== undefined && file !== "-") return basename(file);
  throw usageError("standard input has no name: write the whole path of the file");
}
