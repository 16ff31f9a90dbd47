/** Serves one `chunk.get` stream: the chunks asked for, in order, each verified on its way out. */
import { type ChunkId, decodeMessage, limits, MeshError, toErrorRecord } from "@hearthmesh/core";
import type { LinkStream } from "@hearthmesh/qwormhole";
import { writeMessage } from "../message-stream.js";
import type { ChunkGetOpen, ChunkGetResult } from "../protocol.js";
import type { ChunkStore } from "../types.js";
import { BUFFERED_BYTES_MIN, type ChunkBuffers } from "./chunk-buffers.js";
import type { NodeAccess } from "./node-access.js";
import type { VerifiedTicket } from "./tickets.js";

export interface GetStreamParts {
  readonly access: NodeAccess;
  readonly chunkStore: ChunkStore;
  readonly buffers: ChunkBuffers;
}

interface Answer {
  readonly result: ChunkGetResult;
  readonly pieces: readonly Uint8Array[];
  /** To be given back when the pieces are no longer needed; never, when that is not known. */
  readonly buffer: Uint8Array | undefined;
}

/** Throws what refuses the whole stream; a chunk that cannot be had is answered with its error. */
export async function serveGetStream(parts: GetStreamParts, stream: LinkStream): Promise<void> {
  const { header: open } = decodeMessage<ChunkGetOpen>(stream.header);
  const verified = parts.access.checkTicket("chunk.get", open.ticket, stream.peer);
  const ids = checkIds(open.ids, verified);
  const { buffers, access } = parts;
  const isReused = stream.copiesWrites === true;
  buffers.open();
  try {
    // One chunk is read from the disk while the one before it goes out: two are in memory.
    let next = readOne(parts, verified, ids[0], isReused);
    for (let at = 0; at < ids.length; at++) {
      const answer = await next;
      if (stream.signal.aborted) return;
      // A slow reader may outlive its ticket, or the right that it rests on.
      access.checkTerm(verified);
      next = readOne(parts, verified, ids[at + 1], isReused);
      if (answer === undefined) continue;
      await writeMessage(stream, answer.result, answer.pieces);
      if (answer.buffer !== undefined) buffers.give(answer.buffer);
    }
    stream.end();
  } finally {
    buffers.close();
  }
}

function checkIds(ids: unknown, verified: VerifiedTicket): readonly ChunkId[] {
  if (!Array.isArray(ids) || ids.length > limits.CHUNK_IDS_PER_REQUEST_MAX) {
    throw new MeshError("MESH_BAD_REQUEST", {
      message: `ask for up to ${limits.CHUNK_IDS_PER_REQUEST_MAX} chunks at once`,
    });
  }
  if (!ids.every((id) => verified.chunkIds.has(id))) {
    throw new MeshError("MESH_TICKET_INVALID", { message: "the ticket does not name this chunk" });
  }
  return ids;
}

/** Never throws, so that it may run ahead. Whole chunks lie in a buffer that is used again. */
async function readOne(
  parts: GetStreamParts,
  verified: VerifiedTicket,
  id: ChunkId | undefined,
  isReused: boolean,
): Promise<Answer | undefined> {
  if (id === undefined) return undefined;
  let buffer: Uint8Array | undefined;
  const bufferFor = (sizeBytes: number) => {
    if (isReused && sizeBytes > BUFFERED_BYTES_MIN) buffer = parts.buffers.take();
    return buffer;
  };
  try {
    const { header, bytes } = await parts.chunkStore.get(id, bufferFor);
    const result = { id, sizeBytes: bytes.length };
    const isCopy = verified.ticket.operation === "copy";
    return { result: isCopy ? { ...result, header } : result, pieces: [bytes], buffer };
  } catch (error) {
    return { result: { id, sizeBytes: 0, error: toErrorRecord(error) }, pieces: [], buffer };
  }
}
