/** Reads a directory of the collective with all that is in it to a local one. */
import { mkdir } from "node:fs/promises";
import { join, resolve, sep } from "node:path";
import type { FileAccess } from "@hearthmesh/client";
import { MeshError } from "@hearthmesh/core";
import type { Cli } from "../cli.js";
import { saveFile } from "../output-file.js";
import { forEachParallel } from "./parallel.js";
import { walk } from "./walk.js";

const FILES_AT_A_TIME_MAX = 8;

export interface DownloadTreeOptions {
  cli: Cli;
  files: FileAccess;
  remote: string;
  /** Local directory; made when it is missing. */
  output: string;
  /** Bytes so far. */
  onBytes(bytes: number): void;
}

export async function downloadTree(
  options: DownloadTreeOptions,
): Promise<{ files: number; directories: number; bytes: number }> {
  const { cli, files, onBytes } = options;
  const root = options.remote === "/" ? "" : options.remote.replace(/\/+$/, "");
  const output = resolve(cli.cwd, options.output);
  const done = { files: 0, directories: 0, bytes: 0 };
  await mkdir(output, { recursive: true });
  await forEachParallel(
    walk(files, options.remote, cli.signal),
    FILES_AT_A_TIME_MAX,
    async (entry) => {
      // The peers themselves are listed in `/@`, and are called `/@bob`.
      const isBelow = entry.path.startsWith(`${root}/`);
      const local = localPath(output, entry.path.slice(isBelow ? root.length + 1 : 1));
      if (entry.kind === "directory") {
        await mkdir(local, { recursive: true });
        done.directories++;
        return;
      }
      const { stream } = await files.read(entry.path, { signal: cli.signal });
      const bytes = await saveFile(cli, local, stream);
      done.bytes += bytes;
      done.files++;
      onBytes(done.bytes);
    },
  );
  return done;
}

/** A name from elsewhere must not lead out of the directory that was chosen. */
function localPath(output: string, relative: string): string {
  const path = join(output, relative);
  if (path.startsWith(output.endsWith(sep) ? output : output + sep)) return path;
  throw new MeshError("MESH_PATH_INVALID", {
    message: `${JSON.stringify(relative)} would be written outside of ${output}`,
  });
}
