/** What the manifest of a long file costs in the store: in proportion to its chunks. */
import type { ChunkId } from "@hearthmesh/core";
import { limits } from "@hearthmesh/core";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { chunkIdOf } from "../storage/blake3.js";
import type { ChunkRef } from "../types.js";
import { bytesOf, World } from "./testing/world.js";

const SEGMENT = limits.MANIFEST_SEGMENT_CHUNKS_MAX;

let world: World;
beforeEach(async () => {
  world = await World.start({ nodes: 3 });
});
afterEach(() => world.stop());

interface Cost {
  readonly transactions: number;
  readonly puts: number;
  readonly bytes: number;
  readonly largestBytes: number;
}

/** Counts what is written while the work goes on. */
async function costOf(work: () => Promise<void>): Promise<Cost> {
  const cost = { transactions: 0, puts: 0, bytes: 0, largestBytes: 0 };
  const transact = world.store.transact.bind(world.store);
  world.store.transact = async (transaction) => {
    cost.transactions++;
    for (const operation of transaction.success ?? []) {
      if (operation.type !== "put") continue;
      cost.puts++;
      const bytes = operation.key.length + operation.value.length;
      cost.bytes += bytes;
      cost.largestBytes = Math.max(cost.largestBytes, bytes);
    }
    return transact(transaction);
  };
  await work();
  world.store.transact = transact;
  return cost;
}

/** A file of so many whole segments; the nodes say that they have its chunks. */
async function upload(path: string, segments: number): Promise<void> {
  const { fileId } = await world.begin(path);
  for (let segment = 0; segment < segments; segment++) {
    const chunks: ChunkRef[] = Array.from({ length: SEGMENT }, (_, at) => {
      const id: ChunkId = chunkIdOf([bytesOf(64, segment * SEGMENT + at), Buffer.from(path)]);
      return { id, sizeBytes: limits.CHUNK_BYTES_MAX };
    });
    const receipts = chunks.flatMap((ref, at) =>
      world.nodes.map((node) => node.receiptFor(fileId, segment * SEGMENT + at, ref)),
    );
    await world.call("file.segment", { fileId, segment, chunks, receipts });
  }
  const sizeBytes = segments * SEGMENT * limits.CHUNK_BYTES_MAX;
  await world.call("file.commit", { fileId, sizeBytes, segments, chunks: [], receipts: [] });
}

describe("the manifest of a long file", () => {
  it("costs the same for every segment, however many came before it", async () => {
    const short = await costOf(() => upload("/short", 4));
    const long = await costOf(() => upload("/long", 40));
    const perSegment = (what: keyof Cost) => (long[what] - short[what]) / 36;
    expect(perSegment("transactions")).toBe(1);
    // Its references, the segment and the upload's own row.
    expect(perSegment("puts")).toBe(SEGMENT + 2);
    // 107 bytes for each reference, 32 for each id in the segment, and the rest is for the rows.
    expect(perSegment("bytes")).toBeLessThan(SEGMENT * 150 + 500);
    // No row grows with the file.
    expect(long.largestBytes).toBeLessThan(short.largestBytes + 16);
    expect(long.largestBytes).toBeLessThan(SEGMENT * 32 + 200);
  });

  it("leaves one row for each segment and each chunk, and one for the name", async () => {
    await upload("/long", 40);
    const count = async (prefix: string) =>
      (await world.store.range({ prefix }, { limit: 10_000, keysOnly: true })).entries.length;
    expect(await count("m/")).toBe(40);
    expect(await count("r/")).toBe(40 * SEGMENT);
    expect(await count("f/")).toBe(1);
    expect(await count("u/")).toBe(0);
    expect(await count("q/")).toBe(0);
  });
});
