/**
 * Puts a chunk that came back from a friend on one storage node of this home. From there the walk
 * over all chunks orders the other copies.
 */
import {
  type ChunkId,
  type Clock,
  encodeMessage,
  type FileId,
  MeshError,
  type NodeId,
} from "@hearthmesh/core";
import type { Link } from "@hearthmesh/qwormhole";
import { PutStream } from "../client/put-stream.js";
import { deferred } from "../client/waiting.js";
import type { ChunkPutOpen } from "../protocol.js";
import type { TicketOffice } from "./ticket-office.js";

export interface ChunkRestoreOptions {
  readonly tickets: TicketOffice;
  readonly clock: Clock;
  /** Whose key the tickets are shown with. */
  readonly self: NodeId;
  link(nodeId: NodeId): Promise<Link>;
  /** Nodes that may take it, best first. */
  nodesFor(id: ChunkId): readonly NodeId[];
}

export interface RestoredChunk {
  readonly fileId: FileId;
  readonly index: number;
  readonly id: ChunkId;
  readonly sizeBytes: number;
}

/** `MESH_NO_STORAGE` when no node takes it. */
export async function restoreChunk(
  options: ChunkRestoreOptions,
  chunk: RestoredChunk,
  owner: string,
  bytes: Uint8Array,
): Promise<void> {
  let failure: unknown;
  for (const nodeId of options.nodesFor(chunk.id)) {
    try {
      return await putOn(options, nodeId, chunk, owner, bytes);
    } catch (error) {
      failure = error;
    }
  }
  throw (
    failure ?? new MeshError("MESH_NO_STORAGE", { message: "no storage node takes a lost chunk" })
  );
}

async function putOn(
  { tickets, clock, self, link }: ChunkRestoreOptions,
  nodeId: NodeId,
  { fileId, index, id, sizeBytes }: RestoredChunk,
  owner: string,
  bytes: Uint8Array,
): Promise<void> {
  const open = await link(nodeId);
  const { ticket } = tickets.forRestoring({ holder: self, nodes: [nodeId] }, fileId, owner);
  const header = Buffer.concat(encodeMessage({ ticket } satisfies ChunkPutOpen));
  const raw = await open.openStream("chunk.put", header, { priority: "bulk" });
  const stream = new PutStream(raw, ticket, clock, () => undefined);
  const result = deferred<string>();
  await stream.send({ item: { index, id, sizeBytes }, pieces: [bytes], result });
  stream.finish();
  await result.promise;
}
