/** Which memory chunks are read into; what a stream answers is in `storage-node.test.ts`. */
import { Readable } from "node:stream";
import { type ChunkId, encodeMessage, limits, MeshError } from "@hearthmesh/core";
import type { LinkStream } from "@hearthmesh/qwormhole";
import { describe, expect, it } from "vitest";
import { readMessages } from "../message-stream.js";
import type { ChunkGetResult } from "../protocol.js";
import type { BufferFor, ChunkStore } from "../types.js";
import { ChunkBuffers } from "./chunk-buffers.js";
import { type GetStreamParts, serveGetStream } from "./chunk-get-stream.js";
import type { NodeAccess } from "./node-access.js";
import { RECORD_HEAD_BYTES_MAX } from "./pack-format.js";

const ids = Array.from({ length: 12 }, (_, at) => at.toString(16).padStart(64, "0") as ChunkId);
const DAMAGED = ids[5];
const turn = () => new Promise((resolve) => setImmediate(resolve));

/** Chunk `n` is filled with `n`. Two streams of one node ask for them, in either direction. */
async function served(copiesWrites: boolean | undefined, sizeBytes: number) {
  const given = new Set<Uint8Array>();
  const get = async (id: ChunkId, bufferFor?: BufferFor) => {
    const buffer = bufferFor?.(sizeBytes + RECORD_HEAD_BYTES_MAX);
    if (buffer !== undefined) given.add(buffer);
    await turn();
    if (id === DAMAGED) throw new MeshError("MESH_CHUNK_MISMATCH");
    const bytes = buffer?.subarray(RECORD_HEAD_BYTES_MAX) ?? new Uint8Array(sizeBytes);
    return { header: {}, bytes: bytes.subarray(0, sizeBytes).fill(ids.indexOf(id)) };
  };
  const chunkStore = { get } as unknown as ChunkStore;
  const parts = { chunkStore, buffers: new ChunkBuffers() };
  const answers = await Promise.all(
    [ids, ids.toReversed()].map((wanted) => answersOf(parts, wanted, copiesWrites, sizeBytes)),
  );
  return { given, answers };
}

async function answersOf(
  parts: Pick<GetStreamParts, "chunkStore" | "buffers">,
  wanted: readonly ChunkId[],
  copiesWrites: boolean | undefined,
  sizeBytes: number,
) {
  const written: Uint8Array[] = [];
  const write = async (bytes: Uint8Array) => {
    for (let turns = 0; turns < 3; turns++) await turn();
    written.push(copiesWrites === true ? Uint8Array.from(bytes) : bytes);
  };
  const header = Buffer.concat(encodeMessage({ ticket: "t", ids: wanted }));
  const { signal } = new AbortController();
  const stream = { header, write, copiesWrites, signal, end: () => undefined };
  const verified = { ticket: { operation: "read" }, chunkIds: new Set(ids) };
  const access = { checkTicket: () => verified, checkTerm: () => undefined };
  await serveGetStream(
    { ...parts, access: access as unknown as NodeAccess },
    stream as unknown as LinkStream,
  );
  const answers: { id: ChunkId; isWhole: boolean; code: string | undefined }[] = [];
  for await (const { header, pieces } of readMessages<ChunkGetResult>(Readable.from(written))) {
    const isWhole = Buffer.concat(pieces).equals(Buffer.alloc(sizeBytes, ids.indexOf(header.id)));
    const { code } = (header.error ?? {}) as { code?: string };
    answers.push({ id: header.id, isWhole, code });
  }
  return answers;
}

const forwards = ids.map((id) =>
  id === DAMAGED
    ? { id, isWhole: false, code: "MESH_CHUNK_MISMATCH" }
    : { id, isWhole: true, code: undefined },
);
const expected = [forwards, forwards.toReversed()];

describe("chunks that go out", () => {
  it("lie in two buffers for each stream, where the channel keeps nothing", async () => {
    const { given, answers } = await served(true, limits.CHUNK_BYTES_MAX);
    expect(answers).toEqual(expected);
    expect(given.size).toBeLessThanOrEqual(4);
    const [one] = given;
    expect(one?.length).toBeGreaterThanOrEqual(limits.CHUNK_BYTES_MAX + RECORD_HEAD_BYTES_MAX);
  });

  it("have memory of their own where it may keep them, and where they are small", async () => {
    for (const kept of [false, undefined]) {
      const { given, answers } = await served(kept, limits.CHUNK_BYTES_MAX);
      expect([answers, given.size]).toEqual([expected, 0]);
    }
    const { given, answers } = await served(true, 4096);
    expect([answers, given.size]).toEqual([expected, 0]);
  });
});
