/** The paths of accused contents: one walk over the entries, with only the accused in memory. */
import { type FileId, limits } from "@hearthmesh/core";
import type { Store } from "@hearthmesh/store";
import { fileOfKey, nameOfEntry, ROOT_ID } from "../keys.js";
import { decodeEntry } from "../records.js";
import { pagesOf } from "../store-helpers.js";
import { decodeTrash } from "../trash-records.js";

const PAGE_ROWS = 1_000;

interface Place {
  readonly parent: FileId;
  readonly name: string;
}

/** A content that is in no row any more has no path: it was removed in the meantime. */
export async function pathsOf(
  store: Store,
  wanted: ReadonlySet<FileId>,
  signal: AbortSignal,
): Promise<ReadonlyMap<FileId, string>> {
  const paths = new Map<FileId, string>();
  if (wanted.size === 0) return paths;
  const places = new Map<FileId, Place>();
  const roots = new Map<FileId, string>([[ROOT_ID, ""]]);
  for await (const page of pagesOf(store, "t", { limit: PAGE_ROWS, signal })) {
    for (const row of page) {
      const { path, entry } = decodeTrash(row.value);
      if (entry.kind === "directory") roots.set(entry.fileId, `trash:${path}`);
      else if (wanted.has(entry.fileId)) paths.set(entry.fileId, `trash:${path}`);
    }
  }
  for await (const page of pagesOf(store, "f", { limit: PAGE_ROWS, signal })) {
    for (const row of page) {
      const { kind, fileId } = decodeEntry(row.value);
      if (kind === "directory" || wanted.has(fileId)) {
        places.set(fileId, { parent: fileOfKey(row.key), name: nameOfEntry(row.key) });
      }
    }
  }
  for (const fileId of wanted) {
    const path = pathFrom(fileId, places, roots);
    if (path !== undefined) paths.set(fileId, path);
  }
  return paths;
}

function pathFrom(
  fileId: FileId,
  places: ReadonlyMap<FileId, Place>,
  roots: ReadonlyMap<FileId, string>,
): string | undefined {
  const names: string[] = [];
  let at = places.get(fileId);
  if (at === undefined) return undefined;
  for (let depth = 0; at !== undefined && depth <= limits.PATH_DEPTH_MAX; depth++) {
    names.unshift(at.name);
    const root = roots.get(at.parent);
    if (root !== undefined) return `${root}/${names.join("/")}`;
    at = places.get(at.parent);
  }
  return `(no directory leads here)/${names.join("/")}`;
}
