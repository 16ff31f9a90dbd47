/**
 * `chunk.copy`: fetches chunks from other nodes because the coordinator asked for more replicas.
 */
import {
  type ChunkId,
  encodeMessage,
  fromErrorRecord,
  fromWireError,
  isMeshError,
  MeshError,
  parseChunkId,
  toErrorRecord,
} from "@hearthmesh/core";
import type { Link } from "@hearthmesh/qwormhole";
import { readMessages } from "../message-stream.js";
import type {
  ChunkCopyRequest,
  ChunkCopyResponse,
  ChunkGetResult,
  DamagedCopy,
} from "../protocol.js";
import type { ChunkStore } from "../types.js";

/** Chunks of one order that are in memory, on their way to the disk. */
const CHUNKS_STORING_MAX = 8;
/** Damaged copies of sources that one answer names. */
const DAMAGED_TOLD_MAX = 64;

/** A node to copy from. */
export type CopySource = ChunkCopyRequest["sources"][number];

export interface CopyParts {
  readonly chunkStore: ChunkStore;
  /** An open link to that node, with its id verified; it may be shared and is not closed here. */
  readonly dial: (source: CopySource) => Promise<Link>;
}

/**
 * Asks the sources in order, each for what is still missing. Chunks that are here already count as
 * copied. Never throws for a chunk or a source: what could not be had is in `failed`, with the last
 * reason.
 */
export async function copyChunks(
  parts: CopyParts,
  request: ChunkCopyRequest,
  signal: AbortSignal,
): Promise<ChunkCopyResponse> {
  const missing = new Map<ChunkId, MeshError>();
  const copied: ChunkId[] = [];
  const fetched: Fetched = { bytes: 0, damaged: [] };
  for (const id of request.ids) {
    if (parts.chunkStore.has(id)) copied.push(id);
    else missing.set(id, new MeshError("MESH_CHUNK_UNAVAILABLE"));
  }
  for (const source of request.sources) {
    if (missing.size === 0 || signal.aborted) break;
    try {
      await copyFrom(parts, request, source, missing, copied, fetched, signal);
    } catch (error) {
      const reason = fromWireError(error);
      for (const id of missing.keys()) missing.set(id, reason);
    }
  }
  const failed = [...missing].map(([id, error]) => ({ id, error: toErrorRecord(error) }));
  const { bytes, damaged } = fetched;
  return { copied, failed, bytes, ...(damaged.length === 0 ? {} : { damaged }) };
}

/** What an order brought so far. */
interface Fetched {
  bytes: number;
  readonly damaged: DamagedCopy[];
}

async function copyFrom(
  parts: CopyParts,
  request: ChunkCopyRequest,
  source: CopySource,
  missing: Map<ChunkId, MeshError>,
  copied: ChunkId[],
  fetched: Fetched,
  signal: AbortSignal,
): Promise<void> {
  const link = await parts.dial(source);
  const open = Buffer.concat(encodeMessage({ ticket: request.ticket, ids: [...missing.keys()] }));
  const stream = await link.openStream("chunk.get", open, { signal, priority: "bulk" });
  stream.end();
  // Several wait for the disk together, so that they share its syncs; never many at once.
  const storing = new Set<Promise<void>>();
  const store = async (id: ChunkId, header: ChunkGetResult, pieces: readonly Uint8Array[]) => {
    try {
      await keep(parts.chunkStore, id, header, pieces);
      if (missing.delete(id)) copied.push(id);
      fetched.bytes += header.sizeBytes;
    } catch (error) {
      const isDamaged = isMeshError(error, "MESH_CHUNK_MISMATCH");
      if (isDamaged && fetched.damaged.length < DAMAGED_TOLD_MAX) {
        fetched.damaged.push({ id, nodeId: source.nodeId });
      }
      missing.set(id, fromWireError(error));
    }
  };
  try {
    for await (const { header, pieces } of readMessages<ChunkGetResult>(stream.readable)) {
      const id = parseChunkId(String(header.id));
      if (!missing.has(id)) continue;
      const stored = store(id, header, pieces).finally(() => storing.delete(stored));
      storing.add(stored);
      if (storing.size >= CHUNKS_STORING_MAX) await Promise.race(storing);
    }
  } finally {
    await Promise.all(storing);
  }
}

async function keep(
  chunkStore: ChunkStore,
  id: ChunkId,
  result: ChunkGetResult,
  pieces: readonly Uint8Array[],
): Promise<void> {
  if (result.error !== undefined) throw fromErrorRecord(result.error);
  const stored = result.header;
  if (stored === undefined || stored.v !== 1 || typeof stored.owner !== "string") {
    throw new MeshError("MESH_PROTOCOL", { message: "the source sent a chunk without its header" });
  }
  const { fileId, index, owner, atMs } = stored;
  // The store checks the ids and that the bytes hash to this id, whatever the source says.
  const header = { v: 1, id, fileId, index, owner, atMs, sizeBytes: result.sizeBytes } as const;
  await chunkStore.put(header, pieces);
}
