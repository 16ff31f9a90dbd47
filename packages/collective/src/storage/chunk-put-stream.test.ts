/** What one sender may keep of a node: the rest of the stream is in `storage-node.test.ts`. */
import { type ChunkId, encodeMessage, limits, type NodeId } from "@hearthmesh/core";
import type { LinkStream } from "@hearthmesh/qwormhole";
import { describe, expect, it } from "vitest";
import type { ChunkStore } from "../types.js";
import { ByteBudget } from "./byte-budget.js";
import { ChunkBuffers } from "./chunk-buffers.js";
import { type PutStreamParts, servePutStream } from "./chunk-put-stream.js";
import type { NodeAccess } from "./node-access.js";
import { OpenStreams } from "./open-streams.js";
import { UploadRoom } from "./upload-room.js";

const MIB = limits.CHUNK_BYTES_MAX;
const ticket = { fileId: "0".repeat(32), owner: "spiffe://garage.bob/person/bob@garage.bob" };

/** Its sender takes no answer, ever. */
function deafStream(chunks: number): LinkStream {
  const readable = (async function* () {
    for (let index = 0; index < chunks; index++) {
      const header = { index, id: index.toString(16).padStart(64, "0"), sizeBytes: MIB };
      yield Buffer.concat([...encodeMessage(header), Buffer.alloc(MIB)]);
    }
    await new Promise(() => undefined);
  })();
  const header = Buffer.concat(encodeMessage({ ticket: "t" }));
  return { header, readable, write: () => new Promise(() => undefined) } as unknown as LinkStream;
}

describe("a sender that takes no answers", () => {
  it("keeps no memory of the node for what is on the disk", async () => {
    const intake = new ByteBudget(2 * MIB, 1);
    const stored: ChunkId[] = [];
    const chunkStore = {
      has: () => false,
      put: async ({ id }: { id: ChunkId }) => void stored.push(id),
    };
    const parts: PutStreamParts = {
      access: {
        checkTicket: () => ({ ticket }),
        receiptKey: Buffer.alloc(32),
      } as unknown as NodeAccess,
      chunkStore: chunkStore as unknown as ChunkStore,
      intake,
      buffers: new ChunkBuffers(),
      room: new UploadRoom(),
      nowMs: () => 0,
    };
    void servePutStream(parts, deafStream(5));
    await expect.poll(() => stored.length, { timeout: 10_000 }).toBe(5);
    await expect.poll(() => intake.usedBytes, { timeout: 10_000 }).toBe(0);
  });
});

describe("the streams of a node", () => {
  const streamOf = (kind: string, trustDomain: string, key: string) =>
    ({ peer: { nodeId: key as NodeId, identity: { kind, trustDomain } } }) as unknown as LinkStream;

  it("are bounded for all people of one peer together, and for nobody of this member", () => {
    const streams = new OpenStreams();
    const openOne = (stream: LinkStream) => {
      const served = streams.add(stream);
      return { served, hasRoom: streams.hasRoomFor(stream) };
    };
    const most = limits.CHUNK_STREAMS_OF_MEMBER_MAX;
    const opened = Array.from({ length: most }, (_, number) =>
      openOne(streamOf("foreign", "garage.bob", `key ${number}`)),
    );
    expect(opened.every(({ hasRoom }) => hasRoom)).toBe(true);
    const more = openOne(streamOf("foreign", "garage.bob", "another key"));
    expect(more.hasRoom).toBe(false);
    expect(openOne(streamOf("foreign", "office.dave", "dave")).hasRoom).toBe(true);
    expect(openOne(streamOf("person", "home.alice", "carol")).hasRoom).toBe(true);
    more.served();
    opened[0]?.served();
    expect(openOne(streamOf("foreign", "garage.bob", "another key")).hasRoom).toBe(true);
  });
});
