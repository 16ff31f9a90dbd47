/**
 * The keys of the coordinator's rows in the store. Nothing else in the program builds one by hand.
 *
 * | key                      | value                                  | made                     |
 * |--------------------------|----------------------------------------|--------------------------|
 * | `f/<directory id>/<name>`| entry: file or directory               | put, commit, mkdir, move |
 * | `m/<file id>/<segment>`  | chunk ids of a long file               | segment, commit          |
 * | `r/<chunk id>/<file id>` | reference: index and size              | put, segment, commit     |
 * | `u/<file id>`            | upload that is not committed           | begin                    |
 * | `d/<file id>`            | content or directory to sweep          | replace, remove, abort   |
 * | `q/<file id>/<segment>`  | chunks with fewer copies than wanted   | put, segment, commit     |
 * | `x/<chunk id>`           | chunk deleted while uploads were open  | garbage collection       |
 * | `n/<node id>`            | what a node said when it registered    | node.register            |
 * | `t/<when><file id>`      | entry that was removed: see trash.ts   | remove                   |
 * | `e/<node id>`            | damage that was read: damage-book.ts   | worker `damage`          |
 * | `w/<name>`               | settings and last run of a worker      | worker.set, end of a run |
 * | `p/<path>`               | policy of copies: see copies/policy.ts | policy.set               |
 * | `c/<file id>`            | file that waits for copies at friends  | put, commit, move, walk  |
 * | `k/<file id>`            | copies of a content at friends         | worker `copies`          |
 * | `l/current`              | the layout                             | layout change            |
 * | `l/staged`               | changes of the layout, not applied     | layout stage             |
 * | `l/v/<version>`          | layouts of the past, a bounded number  | layout change            |
 *
 * An entry hangs on the id of its directory and not on a path, so renaming a directory writes two
 * rows whatever is below it. Names hold no `/` and no control character, ids have a fixed length,
 * so no key is a prefix of another one's row. Segments and versions have a fixed width, so that
 * byte order is number order. The repair queue has a row for each segment instead of each chunk: a
 * transaction that writes 64 references has no room for 64 more rows.
 */
import type { ChunkId, FileId, NodeId } from "@hearthmesh/core";
import type { KeyRange } from "@hearthmesh/store";

/** Id of `/`, which has no row and always exists. */
export const ROOT_ID = "0".repeat(32) as FileId;

const SEGMENT_DIGITS = 6;
const VERSION_DIGITS = 12;

function fixed(value: number, digits: number): string {
  return value.toString(16).padStart(digits, "0");
}

export const keys = {
  entry: (directoryId: FileId, name: string) => `f/${directoryId}/${name}`,
  children: (directoryId: FileId): KeyRange => ({ prefix: `f/${directoryId}/` }),
  /** Children whose name is `after` or comes later. */
  childrenFrom: (directoryId: FileId, after: string): KeyRange => ({
    start: `f/${directoryId}/${after}`,
    // `0` is the character after `/`.
    end: `f/${directoryId}0`,
  }),
  entries: { prefix: "f/" } as KeyRange,

  segment: (fileId: FileId, segment: number) => `m/${fileId}/${fixed(segment, SEGMENT_DIGITS)}`,
  segments: (fileId: FileId) => ({ prefix: `m/${fileId}/` }) satisfies KeyRange,

  reference: (chunkId: ChunkId, fileId: FileId) => `r/${chunkId}/${fileId}`,
  referencesOf: (chunkId: ChunkId): KeyRange => ({ prefix: `r/${chunkId}/` }),

  upload: (fileId: FileId) => `u/${fileId}`,
  uploads: { prefix: "u/" } as KeyRange,
  dead: (fileId: FileId) => `d/${fileId}`,
  queued: (fileId: FileId, segment: number) => `q/${fileId}/${fixed(segment, SEGMENT_DIGITS)}`,
  condemned: (chunkId: ChunkId) => `x/${chunkId}`,
  node: (nodeId: NodeId) => `n/${nodeId}`,
  nodes: { prefix: "n/" } as KeyRange,
  damage: (nodeId: NodeId) => `e/${nodeId}`,
  damages: { prefix: "e/" } as KeyRange,
  worker: (name: string) => `w/${name}`,
  policy: (path: string) => `p/${path}`,
  policies: { prefix: "p/" } as KeyRange,
  copiesWanted: (fileId: FileId) => `c/${fileId}`,
  copiesKept: (fileId: FileId) => `k/${fileId}`,
  layout: "l/current",
  staged: "l/staged",
  layoutVersion: (version: number) => `l/v/${fixed(version, VERSION_DIGITS)}`,
  layoutVersionsBefore: (version: number): KeyRange => ({
    start: "l/v/",
    end: `l/v/${fixed(version, VERSION_DIGITS)}`,
  }),
};

/** The rows of one kind that are walked page by page. */
export type WalkedKind = "r" | "u" | "d" | "q" | "x" | "f" | "c" | "k" | "t" | "m";

/** All rows of a kind, or those after a key of that kind. */
export function rowsAfter(kind: WalkedKind, key?: string): KeyRange {
  if (key === undefined) return { prefix: `${kind}/` };
  // U+0001 is in no key, so nothing lies between a key and the key with it.
  return { start: `${key}\u0001`, end: `${kind}0` };
}

/** The chunk that a reference row is about. */
export function chunkOfReference(key: string): ChunkId {
  return key.slice(2, 66) as ChunkId;
}

/** The file of a reference row. */
export function fileOfReference(key: string): FileId {
  return key.slice(67) as FileId;
}

/** The id in a key of the form `<kind>/<id>` or `<kind>/<id>/...`. */
export function fileOfKey(key: string): FileId {
  return key.slice(2, 34) as FileId;
}

export function chunkOfCondemned(key: string): ChunkId {
  return key.slice(2) as ChunkId;
}

/** The name in the key of an entry. */
export function nameOfEntry(key: string): string {
  return key.slice(35);
}
