/** The rows that chunks get with a file: who refers to them, and which need more copies. */
import type { ChunkId, FileId, NodeId } from "@hearthmesh/core";
import { type Operation, put } from "@hearthmesh/store";
import type { Placement } from "../storage/placement.js";
import type { ChunkRef } from "../types.js";
import { keys } from "./keys.js";
import { encodeJson, encodeReference } from "./records.js";

/** One row for each different chunk: a file may hold the same chunk many times. */
export function referenceOperations(
  fileId: FileId,
  firstIndex: number,
  chunks: readonly ChunkRef[],
): Operation[] {
  const rows = new Map<string, Uint8Array>();
  for (const [at, chunk] of chunks.entries()) {
    const key = keys.reference(chunk.id, fileId);
    if (!rows.has(key)) rows.set(key, encodeReference(firstIndex + at, chunk.sizeBytes));
  }
  return [...rows].map(([key, value]) => put(key, value));
}

/** Where the copies of a chunk are. */
export interface StoredChunk {
  readonly id: ChunkId;
  readonly stored: ReadonlySet<NodeId>;
}

/** A row for the repair queue, when a chunk is not on all the nodes that should keep it. */
export function queueOperations(
  placement: Placement,
  fileId: FileId,
  segment: number,
  chunks: readonly StoredChunk[],
): { operations: Operation[]; chunks: number } {
  const wanting = chunks.filter((chunk) => missingNodes(placement, chunk).length > 0);
  if (wanting.length === 0) return { operations: [], chunks: 0 };
  const record = {
    v: 1 as const,
    chunks: wanting.map((chunk) => ({ id: chunk.id, have: [...chunk.stored] })),
  };
  const operations = [put(keys.queued(fileId, segment), encodeJson(record))];
  return { operations, chunks: wanting.length };
}

/** Nodes that should keep the chunk and do not have it. */
export function missingNodes(placement: Placement, chunk: StoredChunk): NodeId[] {
  return placement.replicaSet(chunk.id).filter((nodeId) => !chunk.stored.has(nodeId));
}
