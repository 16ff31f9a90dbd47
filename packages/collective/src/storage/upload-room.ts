/**
 * How many new chunks each upload has brought to this node, for those whose ticket bounds them.
 * Without it the bound would be one of indexes alone: whoever has a ticket could bring one index
 * again and again with other content, tell the coordinator of none, and fill the disk past what it
 * was offered.
 */
import { type FileId, limits, MeshError } from "@hearthmesh/core";
import type { Ticket } from "../types.js";

export class UploadRoom {
  /** The upload that brought something last is the last one. */
  readonly #chunks = new Map<FileId, number>();

  /** Counts one more. Returns how to take it back when it was not stored. `MESH_TICKET_INVALID`. */
  take({ fileId, chunkCount }: Ticket): () => void {
    if (fileId === undefined || chunkCount === undefined) return () => undefined;
    const count = this.#chunks.get(fileId) ?? 0;
    if (count >= chunkCount) {
      throw new MeshError("MESH_TICKET_INVALID", {
        message: `the ticket is for ${chunkCount} chunks, and all of them were brought`,
      });
    }
    this.#note(fileId, count + 1);
    return () => {
      const present = this.#chunks.get(fileId);
      if (present !== undefined) this.#chunks.set(fileId, present - 1);
    };
  }

  #note(fileId: FileId, count: number): void {
    this.#chunks.delete(fileId);
    this.#chunks.set(fileId, count);
    if (this.#chunks.size <= limits.BOUNDED_UPLOADS_MAX) return;
    const oldest = this.#chunks.keys().next();
    if (!oldest.done) this.#chunks.delete(oldest.value);
  }
}
