/**
 * Serves one `chunk.put` stream. Chunks are taken off the stream as fast as they come: each is
 * hashed and queued for the disk while the next arrives, and answered when it is durable.
 *
 * Bounds: at most `TRANSFER_CHUNKS_IN_FLIGHT_MAX` whole chunks of one stream (or 16 times as many
 * small ones) and the node's whole intake are in memory; at either, the stream is not read, and its
 * credit makes the sender wait. Large chunks are gathered in buffers that are used again.
 */
import { decodeMessage, limits, MeshError, parseChunkId, toErrorRecord } from "@hearthmesh/core";
import type { LinkStream } from "@hearthmesh/qwormhole";
import { MessageWriter, readMessages } from "../message-stream.js";
import type { ChunkPutItem, ChunkPutOpen, ChunkPutResult } from "../protocol.js";
import type { ChunkHeader, ChunkStore, Ticket } from "../types.js";
import { ByteBudget } from "./byte-budget.js";
import type { ChunkBuffers } from "./chunk-buffers.js";
import type { NodeAccess } from "./node-access.js";
import { makeReceipt } from "./receipts.js";
import type { UploadRoom } from "./upload-room.js";

const STREAM_BYTES_MAX = limits.TRANSFER_CHUNKS_IN_FLIGHT_MAX * limits.CHUNK_BYTES_MAX;
/** What a small chunk counts for, so that their number is bounded, too. */
const CHUNK_COST_BYTES_MIN = limits.CHUNK_BYTES_MAX / 16;

export interface PutStreamParts {
  readonly access: NodeAccess;
  readonly chunkStore: ChunkStore;
  /** Chunk bytes in memory for all streams of the node. */
  readonly intake: ByteBudget;
  readonly buffers: ChunkBuffers;
  /** Chunks of the uploads whose tickets bound them. */
  readonly room: UploadRoom;
  readonly nowMs: () => number;
}

/**
 * Resolves when every chunk was answered and the stream ended; throws what ends the stream early.
 */
export async function servePutStream(parts: PutStreamParts, stream: LinkStream): Promise<void> {
  const { header: open } = decodeMessage<ChunkPutOpen>(stream.header);
  // Refused here, a bad ticket costs no chunk.
  parts.access.checkTicket("chunk.put", open.ticket, stream.peer);
  const answers = new MessageWriter(stream);
  const room = new StreamRoom(parts);
  const underWay = new Set<Promise<void>>();
  parts.buffers.open();
  try {
    const bodyBuffer = (sizeBytes: number) => room.take(sizeBytes);
    const messages = readMessages<ChunkPutItem>(stream.readable, { bodyBuffer });
    for await (const { header, pieces } of messages) {
      const place = room.handOver();
      const work = putOne(parts, stream, open, header, pieces)
        // Before the answer is taken: one who never reads must not keep the node's memory.
        .finally(() => place?.stored())
        .then((result) => answers.write(result))
        // The sender is gone: the stream tells the reading loop, which ends this function.
        .catch(() => undefined)
        .finally(() => {
          place?.release();
          underWay.delete(work);
        });
      underWay.add(work);
    }
    await Promise.all(underWay);
    stream.end();
  } finally {
    room.handOver()?.release();
    parts.buffers.close();
  }
}

interface Place {
  /** The bytes are not needed any more; what is left is the answer. */
  stored(): void;
  /** All of it. */
  release(): void;
}

/** What one stream may keep in memory: its own share, and its part of the node's intake. */
class StreamRoom {
  readonly #parts: PutStreamParts;
  readonly #inFlight = new ByteBudget(STREAM_BYTES_MAX, 1);
  #taken: Place | undefined;

  constructor(parts: PutStreamParts) {
    this.#parts = parts;
  }

  /** Waits until a body of this size has room; small ones need no buffer of their own. */
  async take(sizeBytes: number): Promise<Uint8Array | undefined> {
    const { intake, buffers } = this.#parts;
    const costBytes = Math.max(sizeBytes, CHUNK_COST_BYTES_MIN);
    await this.#inFlight.acquire(costBytes);
    await intake.acquire(sizeBytes).catch((error: unknown) => {
      this.#inFlight.release(costBytes);
      throw error;
    });
    const buffer = sizeBytes > CHUNK_COST_BYTES_MIN ? buffers.take() : undefined;
    let isHeld = true;
    const stored = () => {
      if (!isHeld) return;
      isHeld = false;
      intake.release(sizeBytes);
      if (buffer !== undefined) buffers.give(buffer);
    };
    const release = () => {
      stored();
      this.#inFlight.release(costBytes);
    };
    this.#taken = { stored, release };
    return buffer;
  }

  /** The place of the chunk that was read last: whoever takes it must release it. */
  handOver(): Place | undefined {
    const place = this.#taken;
    this.#taken = undefined;
    return place;
  }
}

/** The answer for one chunk; never throws, so that one bad chunk does not end the others. */
async function putOne(
  parts: PutStreamParts,
  stream: LinkStream,
  open: ChunkPutOpen,
  item: ChunkPutItem,
  pieces: readonly Uint8Array[],
): Promise<ChunkPutResult> {
  try {
    // Each time anew: a long stream may outlive its ticket.
    const { ticket } = parts.access.checkTicket("chunk.put", open.ticket, stream.peer);
    const header = headerOf(ticket, item, parts.nowMs());
    await putWithin(parts, ticket, header, pieces);
    const { fileId, index, id: chunkId, sizeBytes } = header;
    const receipt = makeReceipt(parts.access.receiptKey, { fileId, index, chunkId, sizeBytes });
    return { index, receipt };
  } catch (error) {
    return { index: item.index, error: toErrorRecord(error) };
  }
}

/** What is there already takes no room. */
async function putWithin(
  { chunkStore, room }: PutStreamParts,
  ticket: Ticket,
  header: ChunkHeader,
  pieces: readonly Uint8Array[],
): Promise<void> {
  const giveBack = chunkStore.has(header.id) ? undefined : room.take(ticket);
  try {
    await chunkStore.put(header, pieces);
  } catch (error) {
    giveBack?.();
    throw error;
  }
}

function headerOf(ticket: Ticket, item: ChunkPutItem, atMs: number): ChunkHeader {
  const { fileId, owner, firstChunk = 0, chunkCount = Number.POSITIVE_INFINITY } = ticket;
  const { index } = item;
  if (fileId === undefined || owner === undefined || !Number.isSafeInteger(index) || index < 0) {
    throw new MeshError("MESH_BAD_REQUEST", { message: "the chunk has no place in a file" });
  }
  if (index < firstChunk || index >= firstChunk + chunkCount) {
    throw new MeshError("MESH_TICKET_INVALID", {
      message: `the ticket does not cover chunk ${index} of the file`,
    });
  }
  const id = parseChunkId(String(item.id));
  return { v: 1, id, fileId, index, owner, atMs, sizeBytes: item.sizeBytes };
}
