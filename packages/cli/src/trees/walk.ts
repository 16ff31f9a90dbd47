/** All that is below a directory of the collective. */
import type { FileAccess } from "@hearthmesh/client";
import { limits } from "@hearthmesh/core";

type Entry = Awaited<ReturnType<FileAccess["stat"]>>;

/** Depth first, a directory before what is in it. */
export async function* walk(
  files: FileAccess,
  path: string,
  signal: AbortSignal,
  depth = 0,
): AsyncGenerator<Entry> {
  if (depth > limits.PATH_DEPTH_MAX) return;
  for await (const entry of files.list(path, signal)) {
    yield entry;
    if (entry.kind === "directory") yield* walk(files, entry.path, signal, depth + 1);
  }
}
