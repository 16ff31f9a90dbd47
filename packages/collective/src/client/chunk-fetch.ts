/** Asks one storage node for chunks, over one `chunk.get` stream. */
import {
  type Clock,
  encodeMessage,
  fromErrorRecord,
  fromWireError,
  MeshError,
} from "@hearthmesh/core";
import type { LinkStream } from "@hearthmesh/qwormhole";
import { readMessages } from "../message-stream.js";
import type { ChunkGetOpen, ChunkGetResult } from "../protocol.js";
import { chunkIdOf } from "../storage/blake3.js";
import type { ChunkRef, NodeInfo, SignedTicket } from "../types.js";
import type { NodeLinks } from "./ports.js";

/** Without a single byte for this long, the node is taken for stuck. */
const STALL_TIMEOUT_MS = 10_000;
const STALL_LOOK_MS = STALL_TIMEOUT_MS / 4;

export interface FetchOptions {
  links: NodeLinks;
  node: NodeInfo;
  ticket: SignedTicket;
  clock: Clock;
  signal: AbortSignal;
  onTicketRefused(): void;
}

/** The pieces of a chunk whose hash was checked, or why this node did not give it. */
export type Fetched = { pieces: readonly Uint8Array[] } | Refused;

interface Refused {
  readonly error: MeshError;
  /** The node gave bytes as if they were the chunk's, and they are not. */
  readonly isWrong?: true;
  /** The bytes are the chunk's. Whoever made the file named it with another size. */
  readonly isWhole?: true;
}

/**
 * One answer for each chunk, in order. The node sends no further than the stream's credit while
 * nobody asks for the next. Throws when the stream breaks or stands still.
 */
export async function* fetchChunks(
  options: FetchOptions,
  chunks: readonly ChunkRef[],
): AsyncGenerator<Fetched, void, undefined> {
  const { links, node, ticket, clock, signal } = options;
  const link = await links.linkTo(node, signal);
  const open: ChunkGetOpen = { ticket, ids: chunks.map((chunk) => chunk.id) };
  const header = Buffer.concat(encodeMessage(open));
  const stream = await link.openStream("chunk.get", header, { signal, priority: "bulk" });
  stream.end();
  let answered = 0;
  try {
    const bytes = withStallTimeout(stream, clock);
    for await (const { header, pieces } of readMessages<ChunkGetResult>(bytes)) {
      const chunk = chunks[answered++];
      if (chunk === undefined) break;
      const fetched = check(chunk, header, pieces);
      if ("error" in fetched && isTicketProblem(fetched.error)) options.onTicketRefused();
      yield fetched;
      if (answered === chunks.length) return;
    }
    throw new MeshError("MESH_UNREACHABLE", { message: "the node ended the transfer" });
  } catch (error) {
    const known = fromWireError(error);
    if (isTicketProblem(known)) options.onTicketRefused();
    throw known;
  } finally {
    if (answered < chunks.length) stream.reset("MESH_CANCELLED", "the client reads no further");
  }
}

function isTicketProblem(error: MeshError): boolean {
  return error.code === "MESH_TICKET_INVALID" || error.code === "MESH_EPOCH_OLD";
}

function check(chunk: ChunkRef, result: ChunkGetResult, pieces: readonly Uint8Array[]): Fetched {
  if (result.error !== undefined) return { error: fromErrorRecord(result.error) };
  const sizeBytes = pieces.reduce((sum, piece) => sum + piece.length, 0);
  if (chunkIdOf(pieces) !== chunk.id) {
    const error = new MeshError("MESH_CHUNK_MISMATCH", { message: "its copy is damaged" });
    return { error, isWrong: true };
  }
  if (sizeBytes === chunk.sizeBytes) return { pieces };
  const message = `its copy is whole with ${sizeBytes} bytes, and the file says otherwise`;
  return { error: new MeshError("MESH_CHUNK_UNAVAILABLE", { message }), isWhole: true };
}

/**
 * The stream's bytes. Counts only the time in which somebody waits for them, with one timer for the
 * whole stream: a timer for each of a thousand pieces would cost more than the pieces.
 */
export async function* withStallTimeout(
  stream: LinkStream,
  clock: Clock,
): AsyncGenerator<Uint8Array, void, undefined> {
  let waitingSinceMs: number | undefined = clock.monotonicMs();
  let stalled: MeshError | undefined;
  const look = () => {
    if (waitingSinceMs === undefined || clock.monotonicMs() - waitingSinceMs < STALL_TIMEOUT_MS) {
      timer = clock.setTimeout(look, STALL_LOOK_MS);
      return;
    }
    const message = `the node sent nothing for ${STALL_TIMEOUT_MS / 1000} s`;
    stalled = new MeshError("MESH_TIMEOUT", { message });
    stream.reset(stalled.code, message);
  };
  let timer = clock.setTimeout(look, STALL_LOOK_MS);
  try {
    for await (const bytes of stream.readable) {
      waitingSinceMs = undefined;
      yield bytes;
      waitingSinceMs = clock.monotonicMs();
    }
  } catch (error) {
    throw stalled ?? error;
  } finally {
    timer.cancel();
  }
}
