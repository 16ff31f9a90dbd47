/** Writes a local directory with all that is in it. */
import { createReadStream } from "node:fs";
import { opendir } from "node:fs/promises";
import { join } from "node:path";
import type { FileAccess } from "@hearthmesh/client";
import { forEachParallel } from "./parallel.js";

/** Small files are limited by round trips: many at a time share a group commit. */
const FILES_AT_A_TIME_MAX = 16;
const READ_BYTES = 256 * 1024;

export interface UploadTreeOptions {
  files: FileAccess;
  local: string;
  remote: string;
  signal: AbortSignal;
  /** Bytes so far. */
  onBytes(bytes: number): void;
}

export interface TreeResult {
  files: number;
  directories: number;
  bytes: number;
  /** Local paths of what is neither a file nor a directory. */
  skipped: string[];
}

export async function uploadTree(options: UploadTreeOptions): Promise<TreeResult> {
  const { files, signal, onBytes } = options;
  const remote = options.remote === "/" ? "" : options.remote.replace(/\/+$/, "");
  const done: TreeResult = { files: 0, directories: 0, bytes: 0, skipped: [] };
  await forEachParallel(
    localFiles(options.local, remote, options, done),
    FILES_AT_A_TIME_MAX,
    async ({ local, path }) => {
      const source = createReadStream(local, { highWaterMark: READ_BYTES });
      const entry = await files.write(path, source, { signal });
      done.files++;
      done.bytes += entry.sizeBytes;
      onBytes(done.bytes);
    },
  );
  return done;
}

interface LocalFile {
  local: string;
  path: string;
}

/** Makes each directory before it gives the files in it. */
async function* localFiles(
  local: string,
  path: string,
  options: UploadTreeOptions,
  done: TreeResult,
): AsyncGenerator<LocalFile> {
  if (path !== "") {
    await options.files.makeDirectory(path, { parents: true, signal: options.signal });
    done.directories++;
  }
  const inner: LocalFile[] = [];
  for await (const entry of await opendir(local)) {
    const item = { local: join(local, entry.name), path: `${path}/${entry.name}` };
    if (entry.isDirectory()) inner.push(item);
    else if (entry.isFile()) yield item;
    else done.skipped.push(item.local);
  }
  for (const directory of inner) {
    yield* localFiles(directory.local, directory.path, options, done);
  }
}
