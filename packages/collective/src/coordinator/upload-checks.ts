/** What must hold for the next step of an upload; pure. Violations are `MESH_BAD_REQUEST`. */
import { type FileId, limits, MeshError } from "@hearthmesh/core";
import type { ChunkReceipt } from "../protocol.js";
import type { ChunkRef } from "../types.js";
import { checkSizes } from "./receipt-check.js";
import type { FileRecord, UploadRecord } from "./records.js";

export interface SegmentInput {
  readonly fileId: FileId;
  readonly segment: number;
  readonly chunks: readonly ChunkRef[];
  readonly receipts: readonly ChunkReceipt[];
}

export interface CommitInput {
  readonly fileId: FileId;
  readonly sizeBytes: number;
  readonly segments: number;
  readonly chunks: readonly ChunkRef[];
  readonly receipts: readonly ChunkReceipt[];
}

/** What the entry itself holds of the content. */
export function contentOf(inEntry: boolean, ids: readonly ChunkRef["id"][]): Partial<FileRecord> {
  if (!inEntry) return {};
  return ids.length === 0 ? { inline: new Uint8Array(0) } : { chunks: ids };
}

export function fileRecord(
  fileId: FileId,
  facts: Partial<FileRecord> & { sizeBytes: number; chunkCount: number },
): FileRecord {
  return { kind: "file", fileId, owner: "", createdAtMs: 0, modifiedAtMs: 0, ...facts };
}

/** Bytes of the segment. After a segment that is not full nothing may follow. */
export function checkNextSegment(record: UploadRecord, input: SegmentInput): number {
  if (input.segment !== record.segments) {
    throw badUpload(`segment ${record.segments} comes next, not ${input.segment}`);
  }
  if (input.segment >= limits.FILE_SEGMENTS_MAX) throw new MeshError("MESH_FILE_TOO_LARGE");
  refuseAfterShort(record);
  if (input.chunks.length === 0) throw badUpload("a segment has at least one part");
  return checkSizes(input.chunks, true);
}

export function checkCommit(record: UploadRecord, input: CommitInput): void {
  if (input.segments !== record.segments) {
    throw badUpload(`the upload has ${record.segments} segments, not ${input.segments}`);
  }
  if (input.chunks.length > 0) refuseAfterShort(record);
  const sizeBytes = record.sizeBytes + checkSizes(input.chunks, true);
  if (sizeBytes !== input.sizeBytes) {
    throw badUpload(`the parts have ${sizeBytes} bytes together, not ${input.sizeBytes}`);
  }
}

function refuseAfterShort(record: UploadRecord): void {
  const full = record.segments * limits.MANIFEST_SEGMENT_CHUNKS_MAX * limits.CHUNK_BYTES_MAX;
  if (record.sizeBytes !== full)
    throw badUpload("the segment before was not full, so it is the last");
}

export function badUpload(message: string): MeshError {
  return new MeshError("MESH_BAD_REQUEST", { message });
}

/** The same for an upload that has ended and for somebody else's. */
export function unknownUpload(): MeshError {
  return new MeshError("MESH_UPLOAD_UNKNOWN");
}
