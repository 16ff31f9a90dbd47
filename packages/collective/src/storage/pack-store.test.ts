import { type FileId, limits, MeshError, silentLogger, systemClock } from "@hearthmesh/core";
import { describe, expect, it } from "vitest";
import { FaultyDisk } from "../testing/faulty-disk.js";
import type { ChunkHeader } from "../types.js";
import { chunkIdOf } from "./blake3.js";
import { openPackStore, type PackStoreOptions } from "./pack-store.js";

const fileId = "0".repeat(32) as FileId;
const CAPACITY_BYTES = 1 << 30;

function open(disk: FaultyDisk, options: Partial<PackStoreOptions> = {}) {
  return openPackStore({
    disk: disk.process(),
    clock: { ...systemClock(), nowMs: () => 1_700_000_000_000 },
    log: silentLogger,
    capacityBytes: CAPACITY_BYTES,
    reserveBytes: 0,
    ...options,
  });
}

function chunkOf(text: string, sizeBytes = 100): { header: ChunkHeader; bytes: Buffer } {
  const bytes = Buffer.alloc(sizeBytes, text);
  const owner = "spiffe://home.alice/person/alice@home.alice";
  const id = chunkIdOf([bytes]);
  return { bytes, header: { v: 1, id, fileId, index: 3, owner, atMs: 17, sizeBytes } };
}

const chunks = Array.from({ length: 40 }, (_, index) => chunkOf(`chunk ${index} `, 50 + index * 7));

describe("the pack store", () => {
  it("gives back what was put, with its header, also after it was opened again", async () => {
    const disk = new FaultyDisk();
    const store = await open(disk);
    await Promise.all(chunks.map(({ header, bytes }) => store.put(header, [bytes])));
    await store.close();
    const again = await open(disk);
    for (const { header, bytes } of chunks) {
      const found = await again.get(header.id);
      expect(found.header).toEqual(header);
      expect(Buffer.from(found.bytes)).toEqual(bytes);
    }
    const sorted = chunks.map(({ header }) => header.id).sort();
    expect(again.list(undefined, 100)).toEqual(sorted);
    expect(again.list(sorted[9], 5)).toEqual(sorted.slice(10, 15));
    expect(await again.report()).toMatchObject({ chunkCount: 40, corruptChunks: 0 });
  });

  it("writes puts that come together with few syncs", async () => {
    const disk = new FaultyDisk();
    const store = await open(disk);
    const before = disk.counts.sync;
    await Promise.all(chunks.map(({ header, bytes }) => store.put(header, [bytes])));
    // One for the header of the first pack and one for all the chunks.
    expect(disk.counts.sync - before).toBe(2);
  });

  it("takes the pieces of a chunk as they are and refuses bytes that do not match", async () => {
    const store = await open(new FaultyDisk());
    const { header, bytes } = chunkOf("pieces");
    await expect(store.put(header, [Buffer.alloc(100)])).rejects.toMatchObject({
      code: "MESH_CHUNK_MISMATCH",
    });
    await expect(store.put(header, [bytes, bytes])).rejects.toMatchObject({
      code: "MESH_BAD_REQUEST",
    });
    expect(store.has(header.id)).toBe(false);
    await store.put(header, [bytes.subarray(0, 30), Buffer.alloc(0), bytes.subarray(30)]);
    expect(Buffer.from((await store.get(header.id)).bytes)).toEqual(bytes);
  });

  it("keeps one copy of a chunk that is put again", async () => {
    const disk = new FaultyDisk();
    const store = await open(disk);
    const { header, bytes } = chunkOf("twice");
    await Promise.all([store.put(header, [bytes]), store.put(header, [bytes])]);
    const used = disk.sizeOf("packs/0000000001.pack");
    await store.put(header, [bytes]);
    expect(disk.sizeOf("packs/0000000001.pack")).toBe(used);
    expect(disk.counts.write).toBe(2);
  });

  it("keeps the order of puts and deletes that overlap", async () => {
    const disk = new FaultyDisk();
    const store = await open(disk);
    const { header, bytes } = chunkOf("again and again");
    await store.put(header, [bytes]);
    const changes = [
      store.delete([header.id]),
      store.put(header, [bytes]),
      store.delete([header.id]),
      store.delete([header.id]),
      store.put(header, [bytes]),
    ];
    await Promise.all(changes);
    expect(store.has(header.id)).toBe(true);
    disk.losePower(() => false);
    const again = await open(disk);
    expect(Buffer.from((await again.get(header.id)).bytes)).toEqual(bytes);
    await again.delete([header.id]);
    disk.losePower(() => false);
    const gone = await open(disk);
    await expect(gone.get(header.id)).rejects.toMatchObject({ code: "MESH_CHUNK_NOT_FOUND" });
  });

  it("begins new packs and finds its way in many of them", async () => {
    const disk = new FaultyDisk();
    const store = await open(disk, { packBytesMax: 1000 });
    for (const { header, bytes } of chunks) await store.put(header, [bytes]);
    expect(disk.paths().filter((path) => path.endsWith(".pack")).length).toBeGreaterThan(5);
    disk.losePower(() => false);
    const again = await open(disk, { packBytesMax: 1000 });
    for (const { header } of chunks) await again.get(header.id);
  });

  it("serves no damaged chunk, counts it, and takes a new copy", async () => {
    const disk = new FaultyDisk();
    const store = await open(disk);
    const [one, two] = [chunkOf("one", 5000), chunkOf("two", 5000)];
    await store.put(one.header, [one.bytes]);
    await store.put(two.header, [two.bytes]);
    disk.damage("packs/0000000001.pack", 3000);
    await expect(store.get(one.header.id)).rejects.toMatchObject({ code: "MESH_CHUNK_MISMATCH" });
    await expect(store.get(one.header.id)).rejects.toMatchObject({ code: "MESH_CHUNK_NOT_FOUND" });
    expect(await store.report()).toMatchObject({ corruptChunks: 1, chunkCount: 1 });
    await store.put(one.header, [one.bytes]);
    await store.close();
    const again = await open(disk);
    expect(Buffer.from((await again.get(one.header.id)).bytes)).toEqual(one.bytes);
    await again.get(two.header.id);
  });

  it("finds the chunks behind a damaged record head when there is no index file", async () => {
    const disk = new FaultyDisk();
    const store = await open(disk);
    for (const { header, bytes } of chunks) await store.put(header, [bytes]);
    disk.killProcess();
    disk.damage("packs/0000000001.pack", 40);
    const again = await open(disk);
    expect(again.list(undefined, 100)).toHaveLength(39);
    for (const { header } of chunks.slice(1)) await again.get(header.id);
  });

  it("leaves a pack that it cannot read alone and works on", async () => {
    const disk = new FaultyDisk();
    const store = await open(disk, { packBytesMax: 1000 });
    for (const { header, bytes } of chunks) await store.put(header, [bytes]);
    disk.killProcess();
    disk.onAction = (action, path) => {
      if (action === "read" && path.includes("0001.")) throw new MeshError("MESH_DISK_FAILED");
    };
    const again = await open(disk, { packBytesMax: 1000 });
    const { chunkCount } = await again.report();
    expect(chunkCount).toBeGreaterThan(20);
    expect(chunkCount).toBeLessThan(40);
  });

  it("says no before it writes when its share is used up, and deletes all the same", async () => {
    const disk = new FaultyDisk();
    const store = await open(disk, { capacityBytes: 3000 });
    const results = await Promise.allSettled(
      chunks.map(({ header, bytes }) => store.put(header, [bytes])),
    );
    const refused = results.filter((result) => result.status === "rejected");
    expect(refused.length).toBeGreaterThan(10);
    for (const { reason } of refused) expect(reason).toMatchObject({ code: "MESH_DISK_FULL" });
    expect(disk.sizeOf("packs/0000000001.pack")).toBeLessThanOrEqual(3000);
    await store.delete(store.list(undefined, 100));
    expect(await store.report()).toMatchObject({ chunkCount: 0, usedBytes: 0 });
  });

  it("never uses the reserve of the disk", async () => {
    const disk = new FaultyDisk();
    disk.capacityBytes = 10_000;
    const store = await open(disk, { reserveBytes: 9_990 });
    const { header, bytes } = chunkOf("reserve");
    await expect(store.put(header, [bytes])).rejects.toMatchObject({ code: "MESH_DISK_FULL" });
    expect(await store.report()).toMatchObject({ freeBytes: 10, readOnly: expect.any(String) });
  });

  it("loses nothing when the disk fills up, and goes on when there is room", async () => {
    const disk = new FaultyDisk();
    let nowMs = 0;
    const clock = { ...systemClock(), monotonicMs: () => nowMs };
    const store = await open(disk, { clock });
    const [first, second] = [chunkOf("first", 2000), chunkOf("second", 2000)];
    await store.put(first.header, [first.bytes]);
    const size = disk.sizeOf("packs/0000000001.pack");
    disk.capacityBytes = size + 700;
    await expect(store.put(second.header, [second.bytes])).rejects.toMatchObject({
      code: "MESH_DISK_FULL",
    });
    expect(disk.sizeOf("packs/0000000001.pack")).toBe(size);
    disk.capacityBytes = 100_000;
    nowMs += 2000;
    await store.put(second.header, [second.bytes]);
    disk.losePower(() => false);
    const again = await open(disk);
    await again.get(first.header.id);
    await again.get(second.header.id);
  });

  it.each(["write", "sync"] as const)("begins a new pack after a failed %s", async (failing) => {
    const disk = new FaultyDisk();
    const store = await open(disk);
    const [first, second] = [chunkOf("first", 2000), chunkOf("second", 2000)];
    await store.put(first.header, [first.bytes]);
    disk.onAction = (action) => {
      if (action === failing) throw new MeshError("MESH_DISK_FAILED");
    };
    await expect(store.put(second.header, [second.bytes])).rejects.toMatchObject({
      code: "MESH_DISK_FAILED",
    });
    expect(await store.report()).toMatchObject({ readOnly: expect.any(String) });
    disk.onAction = () => undefined;
    await store.put(second.header, [second.bytes]);
    expect((await store.report()).readOnly).toBeUndefined();
    disk.losePower(() => false);
    const again = await open(disk);
    await again.get(first.header.id);
    await again.get(second.header.id);
  });

  it("gives the space of deleted chunks back and keeps the rest", async () => {
    const disk = new FaultyDisk();
    const options = { packBytesMax: 2000 };
    const store = await open(disk, options);
    for (const { header, bytes } of chunks) await store.put(header, [bytes]);
    const kept = chunks.filter((_, index) => index % 4 === 0);
    const dropped = chunks.filter((_, index) => index % 4 !== 0);
    await store.delete(dropped.map(({ header }) => header.id));
    const bytesOf = () => disk.paths().reduce((sum, path) => sum + disk.sizeOf(path), 0);
    const before = bytesOf();
    for (let step = await store.compactOnce(); step.more; ) step = await store.compactOnce();
    expect(bytesOf()).toBeLessThan(before * 0.7);
    disk.losePower(() => false);
    const again = await open(disk, options);
    expect(again.list(undefined, 100)).toEqual(kept.map(({ header }) => header.id).sort());
    for (const { header } of kept) await again.get(header.id);
  });

  it("keeps a tombstone as long as an older pack holds what it keeps down", async () => {
    const disk = new FaultyDisk();
    const options = { packBytesMax: 3000 };
    const store = await open(disk, options);
    const stays = chunkOf("fills the first pack", 2200);
    const dead = chunkOf("is deleted", 100);
    await store.put(dead.header, [dead.bytes]);
    await store.put(stays.header, [stays.bytes]);
    // The tombstone goes to the second pack, which then dies and is compacted.
    const passing = chunkOf("lives for a moment", 2000);
    await store.put(passing.header, [passing.bytes]);
    await store.delete([dead.header.id, passing.header.id]);
    const last = chunkOf("begins the third pack", 1500);
    await store.put(last.header, [last.bytes]);
    for (let step = await store.compactOnce(); step.more; ) step = await store.compactOnce();
    expect(disk.paths()).not.toContain("packs/0000000002.pack");
    expect(disk.paths()).toContain("packs/0000000001.pack");
    await store.close();
    const again = await open(disk, options);
    expect(again.list(undefined, 9)).toEqual([stays.header.id, last.header.id].sort());
  });

  it("does not bring back a chunk that is deleted while it is moved", async () => {
    const disk = new FaultyDisk();
    const options = { packBytesMax: 3000 };
    const store = await open(disk, options);
    const [moved, dead] = [chunkOf("moved", 500), chunkOf("dead", 1500)];
    await store.put(moved.header, [moved.bytes]);
    await store.put(dead.header, [dead.bytes]);
    const last = chunkOf("begins the second pack", 1500);
    await store.put(last.header, [last.bytes]);
    await store.delete([dead.header.id]);
    let deletion: Promise<void> | undefined;
    disk.onAction = (action, path) => {
      // Just before the record is read, so that tombstone and copy share a batch.
      if (action !== "read" || !path.endsWith("1.pack") || deletion !== undefined) return;
      deletion = store.delete([moved.header.id]);
    };
    for (let step = await store.compactOnce(); step.more; ) step = await store.compactOnce();
    await deletion;
    expect(store.list(undefined, 9)).toEqual([last.header.id]);
    await store.close();
    expect((await open(disk, options)).list(undefined, 9)).toEqual([last.header.id]);
  });

  it("makes puts wait when much is on its way, and refuses when too many wait", async () => {
    const disk = new FaultyDisk();
    const store = await open(disk, { intakeBytesMax: 500 });
    const puts = Array.from({ length: 1100 }, (_, index) => {
      const { header, bytes } = chunkOf(`many ${index} `);
      return store.put(header, [bytes]);
    });
    const results = await Promise.allSettled(puts);
    const refused = results.filter((result) => result.status === "rejected");
    expect(refused.length).toBe(1100 - 5 - 1024);
    for (const { reason } of refused) expect(reason).toMatchObject({ code: "MESH_LIMIT" });
  });

  it("refuses everything after it was closed, and finishes what was begun", async () => {
    const store = await open(new FaultyDisk());
    const { header, bytes } = chunkOf("last");
    const put = store.put(header, [bytes]);
    await new Promise((resolve) => setImmediate(resolve));
    await store.close();
    await put;
    await expect(store.put(header, [bytes])).rejects.toMatchObject({ code: "MESH_STORE_CLOSED" });
    await expect(store.get(header.id)).rejects.toMatchObject({ code: "MESH_STORE_CLOSED" });
  });

  it("does not open what a newer version wrote", async () => {
    const disk = new FaultyDisk();
    const store = await open(disk);
    const { header, bytes } = chunkOf("new");
    await store.put(header, [bytes]);
    await store.close();
    const { encodePackHeader } = await import("./pack-format.js");
    const { crc32 } = await import("node:zlib");
    const newer = encodePackHeader(1, Buffer.alloc(8));
    newer[7] = 2;
    newer.writeUInt32BE(crc32(newer.subarray(0, 28)), 28);
    const file = await disk.process().open("packs/0000000001.pack");
    await file.write(0, [newer]);
    await expect(open(disk)).rejects.toMatchObject({ code: "MESH_STORE_NEWER" });
  });

  it("holds a chunk of the greatest size and an empty one", async () => {
    const store = await open(new FaultyDisk());
    for (const size of [0, 1, limits.CHUNK_BYTES_MAX]) {
      const { header, bytes } = chunkOf("size", size);
      await store.put(header, [bytes]);
      expect((await store.get(header.id)).bytes.length).toBe(size);
    }
    const { header, bytes } = chunkOf("size", limits.CHUNK_BYTES_MAX + 1);
    await expect(store.put(header, [bytes])).rejects.toMatchObject({ code: "MESH_BAD_REQUEST" });
  });
});
