/**
 * `file.open`: what a file consists of, page by page, with a ticket for exactly the chunks of the
 * page. Content is never changed in place, and what was replaced stays on the nodes for longer than
 * a ticket lives, so a reader that has a page can finish it.
 */
import { type ChunkId, limits, MeshError } from "@hearthmesh/core";
import type { ChunkRef, Entry } from "../types.js";
import type { Access } from "./access.js";
import { notFound } from "./directories.js";
import { keys } from "./keys.js";
import { isDirectoryError, loadEntry, type NamespaceContext } from "./namespace-context.js";
import { type MeshPath, nameOf, parentOf } from "./paths.js";
import { chunkSizeAt, decodeSegment, entryOf, type FileRecord } from "./records.js";

export interface OpenInput {
  readonly path: MeshPath;
  readonly firstChunk: number;
  /** At most `MANIFEST_SEGMENT_CHUNKS_MAX`. */
  readonly chunks: number;
  readonly etag: string | undefined;
}

export interface ContentPage {
  readonly entry: Entry;
  readonly inline: Uint8Array | undefined;
  readonly chunkCount: number;
  readonly chunks: readonly ChunkRef[];
}

export async function openFile(
  context: NamespaceContext,
  access: Access,
  input: OpenInput,
): Promise<ContentPage> {
  const { path, firstChunk } = input;
  access.require(path, "read");
  if (path.names.length === 0) throw isDirectoryError(path);
  const parent = await context.directories.existing(parentOf(path), path);
  const found = await loadEntry(context.store, keys.entry(parent.id, nameOf(path)));
  if (found === undefined) throw notFound(path);
  const { record } = found;
  if (record.kind === "directory") throw isDirectoryError(path);
  if (input.etag !== undefined && input.etag !== record.fileId) throw changed(path);
  if (firstChunk > record.chunkCount) {
    throw new MeshError("MESH_RANGE_INVALID", {
      message: `${path.text} has ${record.chunkCount} parts; ${firstChunk} is beyond its end`,
    });
  }
  const end = Math.min(record.chunkCount, firstChunk + input.chunks);
  const ids = await chunkIds(context, path, record, firstChunk, end);
  return {
    entry: entryOf(path.text, nameOf(path), record),
    inline: record.inline,
    chunkCount: record.chunkCount,
    chunks: ids.map((id, at) => ({
      id,
      sizeBytes: chunkSizeAt(record.sizeBytes, firstChunk + at),
    })),
  };
}

async function chunkIds(
  context: NamespaceContext,
  path: MeshPath,
  record: FileRecord,
  first: number,
  end: number,
): Promise<readonly ChunkId[]> {
  if (record.chunks !== undefined) return record.chunks.slice(first, end);
  const perSegment = limits.MANIFEST_SEGMENT_CHUNKS_MAX;
  const ids: ChunkId[] = [];
  for (let segment = Math.floor(first / perSegment); segment * perSegment < end; segment++) {
    const row = await context.store.get(keys.segment(record.fileId, segment));
    // Only a file that was replaced long ago loses its segments.
    if (row === undefined) throw changed(path);
    const start = segment * perSegment;
    ids.push(...decodeSegment(row.value).slice(Math.max(0, first - start), end - start));
  }
  return ids;
}

function changed(path: MeshPath): MeshError {
  return new MeshError("MESH_PATH_CHANGED", {
    message: `${path.text} was replaced while it was read`,
    details: { path: path.text },
  });
}
