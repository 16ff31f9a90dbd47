/**
 * Which files would come back if this home were gone: those that live in their entry come with the
 * snapshot, those with a copy at a friend come from there, and the others would be lost.
 */
import type { FileId } from "@hearthmesh/core";
import type { Store } from "@hearthmesh/store";
import { fileOfKey, keys, nameOfEntry, ROOT_ID } from "../coordinator/keys.js";
import { decodeEntry, decodeJson } from "../coordinator/records.js";
import { pagesOf } from "../coordinator/store-helpers.js";
import type { KeptRecord } from "../copies/copy-records.js";

const PAGE_ROWS = 1000;
/** Paths that are named; the others are counted. */
const NAMED_PATHS_MAX = 1000;
/** Directories whose names are kept to build paths; below others a path begins with `...`. */
const DIRECTORIES_MAX = 200_000;
/** What others keep here is theirs. */
const OTHERS = "/.copies/";

interface FileCount {
  readonly files: number;
  readonly bytes: number;
}

export interface Coverage {
  /** Those of other members that are kept here are not counted. */
  readonly all: FileCount;
  /** In their entries: in every snapshot. */
  readonly inRecords: FileCount;
  /** With at least one copy at a friend. */
  readonly atFriends: FileCount;
  readonly uncovered: FileCount;
  /** The first of those without any, in no order. */
  readonly uncoveredPaths: readonly string[];
}

/** Reads every entry twice: for a person who asks, and for a report. */
export async function coverageOf(store: Store, signal?: AbortSignal): Promise<Coverage> {
  const directories = await directoriesOf(store, signal);
  const counts = { all: tally(), inRecords: tally(), atFriends: tally(), uncovered: tally() };
  const uncoveredPaths: string[] = [];
  for await (const page of pagesOf(store, "f", pageOptions(signal))) {
    for (const { key, value } of page) {
      const record = decodeEntry(value);
      if (record.kind === "directory") continue;
      const path = `${pathOf(directories, fileOfKey(key))}${nameOfEntry(key)}`;
      if (path.startsWith(OTHERS)) continue;
      const kind = record.inline === undefined ? await whereIs(store, record.fileId) : "inRecords";
      add(counts.all, record.sizeBytes);
      add(counts[kind], record.sizeBytes);
      if (kind === "uncovered" && uncoveredPaths.length < NAMED_PATHS_MAX) {
        uncoveredPaths.push(path);
      }
    }
  }
  return { ...counts, uncoveredPaths };
}

async function whereIs(store: Store, fileId: FileId): Promise<"atFriends" | "uncovered"> {
  const row = await store.get(keys.copiesKept(fileId));
  if (row === undefined) return "uncovered";
  return decodeJson<KeptRecord>(row.value).copies.length > 0 ? "atFriends" : "uncovered";
}

/** Each directory's name and the directory that it is in. */
type Directories = ReadonlyMap<FileId, { readonly parent: FileId; readonly name: string }>;

async function directoriesOf(store: Store, signal?: AbortSignal): Promise<Directories> {
  const found = new Map<FileId, { parent: FileId; name: string }>();
  for await (const page of pagesOf(store, "f", pageOptions(signal))) {
    for (const { key, value } of page) {
      const record = decodeEntry(value);
      if (record.kind !== "directory" || found.size >= DIRECTORIES_MAX) continue;
      found.set(record.fileId, { parent: fileOfKey(key), name: nameOfEntry(key) });
    }
  }
  return found;
}

/** With a slash at its end. */
function pathOf(directories: Directories, directoryId: FileId): string {
  const names: string[] = [];
  // Bounded, should the rows ever form a ring.
  for (let id = directoryId; id !== ROOT_ID && names.length <= directories.size; ) {
    const directory = directories.get(id);
    if (directory === undefined) return `.../${names.reverse().join("")}`;
    names.push(`${directory.name}/`);
    id = directory.parent;
  }
  return `/${names.reverse().join("")}`;
}

function pageOptions(signal: AbortSignal | undefined) {
  return { limit: PAGE_ROWS, ...(signal === undefined ? {} : { signal }) };
}

function tally(): { files: number; bytes: number } {
  return { files: 0, bytes: 0 };
}

function add(count: { files: number; bytes: number }, bytes: number): void {
  count.files++;
  count.bytes += bytes;
}
