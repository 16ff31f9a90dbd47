/**
 * From chunks that nobody refers to, back to files: the header of a chunk says which file it was
 * written for, at which place, whose it was and when. Pure functions.
 *
 * A file is whole when it has every place from the first on and only the last chunk is short.
 * Should its end have been lost as well, and the rest be full chunks, that cannot be seen; the size
 * shows it. A chunk that was on the nodes already when the file was written has the header of the
 * file before, so a file that shared chunks with others is put together only as far as they name
 * it.
 */
import { type FileId, limits } from "@hearthmesh/core";
import type { ChunkHeader } from "../types.js";

export const LOST_DIRECTORY = "/lost+found";

export type LostChunk = Pick<
  ChunkHeader,
  "id" | "fileId" | "index" | "owner" | "atMs" | "sizeBytes"
>;

export interface LostFile {
  readonly fileId: FileId;
  readonly owner: string;
  readonly atMs: number;
  readonly isWhole: boolean;
  /** In order, each place once. */
  readonly chunks: readonly LostChunk[];
}

export function groupLostChunks(chunks: Iterable<LostChunk>): LostFile[] {
  const byFile = new Map<FileId, Map<number, LostChunk>>();
  for (const chunk of chunks) {
    const places = byFile.get(chunk.fileId) ?? new Map<number, LostChunk>();
    byFile.set(chunk.fileId, places);
    const present = places.get(chunk.index);
    // A place was written again: the later bytes are those that were acknowledged.
    if (present === undefined || chunk.atMs > present.atMs) places.set(chunk.index, chunk);
  }
  return [...byFile].map(([fileId, places]) => {
    const ordered = [...places.values()].sort((a, b) => a.index - b.index);
    const last = ordered.at(-1);
    return {
      fileId,
      owner: last?.owner ?? "",
      atMs: Math.max(...ordered.slice(0, 1).map((chunk) => chunk.atMs), last?.atMs ?? 0),
      isWhole: isWhole(ordered),
      chunks: ordered,
    };
  });
}

function isWhole(ordered: readonly LostChunk[]): boolean {
  return ordered.every(
    ({ index, sizeBytes }, at) =>
      index === at && (sizeBytes === limits.CHUNK_BYTES_MAX || at === ordered.length - 1),
  );
}

/** The lost file that an upload of a broken-off run is of; undefined for other uploads. */
export function lostFileOf(path: string): FileId | undefined {
  const [, fileId] = /^\/lost\+found\/\d{8,}-([0-9a-f]{32})$/.exec(path) ?? [];
  return fileId as FileId | undefined;
}

/** `20261121-<file id>`: the day on which the file was begun is in its id. */
export function lostName(fileId: FileId): string {
  const beganMs = Number.parseInt(fileId.slice(0, 12), 16);
  const day = new Date(beganMs).toISOString().slice(0, 10).replaceAll("-", "");
  return `${day}-${fileId}`;
}
