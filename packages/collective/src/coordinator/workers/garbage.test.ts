import { type ChunkId, limits } from "@hearthmesh/core";
import { turns } from "@hearthmesh/core/testing";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { chunkIdOf } from "../../storage/blake3.js";
import type { MemoryNode } from "../testing/memory-node.js";
import { bytesOf, World } from "../testing/world.js";

const GRACE_MS = 60_000;

let world: World;
let nodes: MemoryNode[];
beforeEach(async () => {
  world = await World.start({ nodes: 3 });
  nodes = world.nodes;
});
afterEach(() => world.stop());

const copiesOf = (id: ChunkId) => nodes.filter((node) => node.chunks.has(id)).length;
const remove = (path: string) => world.call("file.remove", { path, recursive: true });

async function collect(): Promise<void> {
  await world.runWorker("repair");
  await world.runWorker("garbage");
}

async function expectNothingLeft(): Promise<void> {
  for (const kind of ["m/", "r/", "d/", "q/", "x/"]) expect(await world.rows(kind)).toEqual([]);
  for (const node of nodes) expect(node.chunks.size).toBe(0);
}

describe("the garbage collector", () => {
  it("sweeps a removed tree after the grace period, wherever its parts are", async () => {
    await world.call("file.mkdir", { path: "/t/deep/er", parents: true });
    for (let at = 0; at < 150; at++) await world.put(`/t/f${at}`, bytesOf(at % 2 ? 10 : 4000, at));
    await world.put("/t/deep/er/file", bytesOf(4000, 500));
    // An older directory, and a long file, move into the tree.
    await world.call("file.mkdir", { path: "/old" });
    await world.put("/old/file", bytesOf(4000, 501));
    const parts = Array.from({ length: 17 }, (_, at) => bytesOf(limits.CHUNK_BYTES_MAX, at));
    await world.upload("/t/long", parts, nodes.slice(0, 2));
    await world.call("file.move", { from: "/old", to: "/t/deep/old" });
    await turns();
    await remove("/t");
    await collect();
    expect(await world.rows("d/")).toHaveLength(1);
    expect(nodes[0]?.chunks.size).toBeGreaterThan(90);
    await world.clock.advance(GRACE_MS);
    await world.runWorker("garbage");
    expect(await world.rows("f/")).toEqual([]);
    await expectNothingLeft();
  });

  it("keeps a chunk as long as one file refers to it", async () => {
    const bytes = bytesOf(4000, 1);
    const id = chunkIdOf([bytes]);
    await world.put("/a", bytes);
    await world.put("/b", bytes);
    await turns();
    await remove("/a");
    await world.clock.advance(GRACE_MS);
    await collect();
    expect(copiesOf(id)).toBe(3);
    await remove("/b");
    await world.clock.advance(GRACE_MS);
    await collect();
    expect(copiesOf(id)).toBe(0);
  });

  it("lets a reader finish that opened the file before it was replaced", async () => {
    const bytes = bytesOf(4000, 1);
    await world.put("/a", bytes);
    await world.put("/a", bytesOf(4000, 2));
    await world.clock.advance(GRACE_MS - 1);
    await collect();
    expect(copiesOf(chunkIdOf([bytes]))).toBe(3);
    await world.clock.advance(1);
    await collect();
    expect(copiesOf(chunkIdOf([bytes]))).toBe(0);
  });

  it("starts the grace period anew after a restart, and needs no wall clock for it", async () => {
    await world.put("/a", bytesOf(4000, 1));
    await remove("/a");
    await world.clock.advance(GRACE_MS - 1);
    await world.restart();
    await world.clock.advance(GRACE_MS - 1);
    await world.runWorker("garbage");
    expect(await world.rows("d/")).toHaveLength(1);
    await world.clock.advance(1);
    await world.runWorker("garbage");
    await expectNothingLeft();
  });

  it("finds chunks that no row ever named, and what a node kept while it was away", async () => {
    const orphan = bytesOf(4000, 77);
    nodes[0]?.chunks.set(chunkIdOf([orphan]), orphan);
    await world.put("/a", bytesOf(4000, 1));
    await turns();
    const away = nodes[2] as MemoryNode;
    await world.disconnect(away);
    await remove("/a");
    await world.clock.advance(GRACE_MS);
    await collect();
    expect(copiesOf(chunkIdOf([orphan]))).toBe(1);
    await world.connect(away);
    await collect();
    expect(away.chunks.size).toBe(1);
    await world.clock.advance(GRACE_MS);
    await collect();
    await expectNothingLeft();
  });

  it("leaves the chunks of an open upload alone, however slow it is", async () => {
    const begun = await world.begin("/slow");
    const claim = world.place(begun, 0, [bytesOf(500, 1)]);
    for (let round = 0; round < 5; round++) {
      await world.clock.advance(limits.UPLOAD_IDLE_MS_MAX / 2);
      await world.call("file.ticket", { fileId: begun.fileId });
      await collect();
    }
    const commit = { fileId: begun.fileId, sizeBytes: 500, segments: 0, ...claim };
    await world.call("file.commit", commit);
    await collect();
    expect(claim.chunks.map((chunk) => copiesOf(chunk.id))).toEqual([3]);
  });
});

describe("a receipt from before a deletion", () => {
  /** Garbage on all nodes that is due, and an upload that was begun after it was seen. */
  async function garbageAndUpload() {
    const bytes = bytesOf(4000, 9);
    for (const node of nodes) node.chunks.set(chunkIdOf([bytes]), bytes);
    await world.runWorker("repair");
    await world.clock.advance(GRACE_MS);
    const begun = await world.begin("/again");
    const claim = world.place(begun, 0, [bytes]);
    const commit = { fileId: begun.fileId, sizeBytes: 4000, segments: 0, ...claim };
    return { bytes, begun, commit, id: chunkIdOf([bytes]) };
  }

  it("does not make a file whose chunk is gone", async () => {
    const { commit, id } = await garbageAndUpload();
    await world.runWorker("garbage");
    expect(copiesOf(id)).toBe(0);
    await expect(world.call("file.commit", commit)).rejects.toMatchObject({
      code: "MESH_UPLOAD_UNKNOWN",
    });
    expect(await world.rows("f/")).toEqual([]);
  });

  it("is known to be old after a restart too", async () => {
    const { commit } = await garbageAndUpload();
    await world.runWorker("garbage");
    await world.restart();
    await expect(world.call("file.commit", commit)).rejects.toMatchObject({
      code: "MESH_UPLOAD_UNKNOWN",
    });
  });

  it("counts when the chunk was stored again", async () => {
    const { bytes, begun, commit, id } = await garbageAndUpload();
    await world.runWorker("garbage");
    world.place(begun, 0, [bytes]);
    await world.call("file.commit", commit);
    expect(copiesOf(id)).toBe(3);
    await collect();
    expect(copiesOf(id)).toBe(3);
    // With the upload gone, the fence is no longer needed.
    expect(await world.rows("x/")).toEqual([]);
  });

  it("counts on the nodes only that still have it", async () => {
    const { bytes, begun, commit, id } = await garbageAndUpload();
    await world.runWorker("garbage");
    world.place(begun, 0, [bytes], nodes.slice(0, 2));
    await world.call("file.commit", commit);
    expect(copiesOf(id)).toBe(2);
    await world.runWorker("repair-queue");
    expect(copiesOf(id)).toBe(3);
  });
});

describe("a writer and the collector at the same time", () => {
  it("never leave a file without its chunk", async () => {
    const bytes = bytesOf(4000, 3);
    const id = chunkIdOf([bytes]);
    for (let round = 0; round < 10; round++) {
      for (const node of nodes) node.chunks.set(id, bytes);
      await world.runWorker("repair");
      await world.clock.advance(GRACE_MS);
      // The deletion is on its way while the same content is put.
      for (const node of nodes) {
        node.onServe = async (method) => {
          if (method === "chunk.delete") await turns(round % 5);
        };
      }
      const [put] = await Promise.allSettled([
        turns(round % 3).then(() => world.put("/file", bytes)),
        world.runWorker("garbage"),
      ]);
      await turns();
      expect(put.status).toBe("fulfilled");
      expect(copiesOf(id)).toBe(3);
      await remove("/file");
      await world.clock.advance(GRACE_MS);
      await collect();
      expect(copiesOf(id)).toBe(0);
    }
  });

  it("waits for an upload that writes its rows", async () => {
    const bytes = bytesOf(4000, 4);
    const id = chunkIdOf([bytes]);
    for (const node of nodes) node.chunks.set(id, bytes);
    await world.runWorker("repair");
    await world.clock.advance(GRACE_MS);
    const begun = await world.begin("/file");
    const claim = world.place(begun, 0, [bytes]);
    const commit = { fileId: begun.fileId, sizeBytes: 4000, segments: 0, ...claim };
    const [committed] = await Promise.allSettled([
      world.call("file.commit", commit),
      world.runWorker("garbage"),
    ]);
    expect(committed.status).toBe("fulfilled");
    expect(copiesOf(id)).toBe(3);
  });
});
