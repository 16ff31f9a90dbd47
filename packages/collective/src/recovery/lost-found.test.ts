import { type FileId, limits, type NodeId } from "@hearthmesh/core";
import { type MemoryStore, memoryStore, put } from "@hearthmesh/store";
import { afterEach, describe, expect, it } from "vitest";
import { batchesOf } from "../coordinator/store-helpers.js";
import { bytesOf, World } from "../coordinator/testing/world.js";
import { chunkIdOf } from "../storage/blake3.js";
import type { Entry } from "../types.js";
import { RESTORED_KEY } from "./hold-book.js";
import { groupLostChunks, lostName } from "./lost-files.js";
import { type HoldRecord, isHeld, judgeMark } from "./rollback.js";

const MIB = limits.CHUNK_BYTES_MAX;
const GRACE_MS = 60_000;

let world: World;
afterEach(() => world?.stop());

/** The records as they are now, as a backup keeps them. */
async function backup(): Promise<MemoryStore> {
  const copy = memoryStore({ clock: world.clock });
  const { entries } = await world.store.range({ prefix: "" });
  // In few transactions: a backup has no more revisions than what it is of.
  for (const part of batchesOf(entries, limits.STORE_TXN_OPERATIONS_MAX)) {
    await copy.transact({ success: part.map(({ key, value }) => put(key, value)) });
  }
  return copy;
}

/** The coordinator begins again on these records, with a higher epoch each time it has to. */
async function restartOn(store: MemoryStore, firstEpoch: number): Promise<number[]> {
  const leaps: number[] = [];
  world.overrides = { store, epoch: firstEpoch, onRolledBack: (epoch) => leaps.push(epoch) };
  await world.restart();
  return leaps;
}

async function collectGarbage(): Promise<void> {
  // The walk finds candidates; after their time the collector deletes those that it may.
  await world.runWorker("repair");
  await world.clock.advance(GRACE_MS + 1);
  await world.runWorker("garbage");
}

async function list(path: string): Promise<readonly Entry[]> {
  return (await world.call<{ entries: Entry[] }>("file.list", { path })).entries;
}

const chunksOn = (bytes: Uint8Array) =>
  world.nodes.filter((node) => node.chunks.has(chunkIdOf([bytes]))).length;

describe("a coordinator on records of yesterday", () => {
  it("deletes nothing that was written since, and puts it under /lost+found", async () => {
    world = await World.start({ replicas: 2 });
    await world.upload("/before.bin", [bytesOf(MIB, 1), bytesOf(10, 2)]);
    const yesterday = await backup();
    const later = [bytesOf(MIB, 3), bytesOf(MIB, 4), bytesOf(77, 5)];
    const written = await world.upload("/later.bin", later);
    const small = bytesOf(5000, 6);
    await world.put("/small.bin", small);
    for (const node of world.nodes) await node.sendReport();

    const leaps = await restartOn(yesterday, 2);
    expect(leaps).toEqual([2]);
    await collectGarbage();
    for (const part of [...later, small]) expect(chunksOn(part)).toBeGreaterThan(0);

    // The leader of the new epoch, as the composition root makes it.
    expect(await restartOn(yesterday, 1002)).toEqual([]);
    await collectGarbage();
    for (const part of [...later, small]) expect(chunksOn(part)).toBeGreaterThan(0);
    await world.runWorker("lost-found");
    const found = await list("/lost+found");
    expect(found.map(({ name, sizeBytes }) => [name, sizeBytes])).toContainEqual([
      lostName(written.fileId),
      2 * MIB + 77,
    ]);
    expect(found).toHaveLength(2);
    await collectGarbage();
    for (const part of [...later, small]) expect(chunksOn(part)).toBeGreaterThan(0);

    // What is garbage from now on goes again.
    for (const { path } of found) await world.call("file.remove", { path });
    await world.runWorker("garbage");
    await world.clock.advance(GRACE_MS + 1);
    await world.runWorker("garbage");
    await collectGarbage();
    for (const part of [...later, small]) expect(chunksOn(part)).toBe(0);
    expect((await list("/")).map(({ name }) => name)).toEqual(["before.bin", "lost+found"]);
  });

  it("keeps the chunks of a file of which a part is missing, each as a file", async () => {
    world = await World.start({ replicas: 1, acks: 1, nodes: 1 });
    const yesterday = await backup();
    const parts = [bytesOf(MIB, 1), bytesOf(MIB, 2), bytesOf(9, 3)];
    const { fileId } = await world.upload("/later.bin", parts);
    world.nodes[0]?.chunks.delete(chunkIdOf([parts[1] as Uint8Array]));
    await world.nodes[0]?.sendReport();
    await restartOn(yesterday, 2);
    await restartOn(yesterday, 1002);
    await world.runWorker("lost-found");
    const found = await list(`/lost+found/${lostName(fileId)}.parts`);
    expect(found.map(({ name, sizeBytes }) => [name, sizeBytes])).toEqual([
      ["00000000", MIB],
      ["00000002", 9],
    ]);
    await collectGarbage();
    expect(chunksOn(parts[0] as Uint8Array)).toBe(1);
  });

  it("puts long files together from segments that were told and chunks that were not", async () => {
    world = await World.start({ replicas: 1, acks: 1, nodes: 1 });
    const parts = Array.from({ length: 70 }, (_, at) => bytesOf(MIB, at + 1));
    const begun = await world.begin("/long.bin");
    const first = world.place(begun, 0, parts.slice(0, 64));
    await world.call("file.segment", { fileId: begun.fileId, segment: 0, ...first });
    const yesterday = await backup();
    const rest = world.place(begun, 64, parts.slice(64));
    const sizeBytes = 70 * MIB;
    await world.call("file.commit", { fileId: begun.fileId, sizeBytes, segments: 1, ...rest });
    await world.nodes[0]?.sendReport();
    await restartOn(yesterday, 2);
    await restartOn(yesterday, 1002);
    await world.runWorker("lost-found");
    const [entry] = await list("/lost+found");
    expect(entry?.sizeBytes).toBe(sizeBytes);
    const path = entry?.path;
    const opened = await world.call<{ chunks: { id: string }[]; chunkCount: number }>("file.open", {
      path,
      firstChunk: 60,
    });
    expect(opened.chunkCount).toBe(70);
    expect(opened.chunks.map(({ id }) => id)).toEqual(
      parts.slice(60).map((bytes) => chunkIdOf([bytes])),
    );
    // No upload is left over that would take the chunks away in an hour.
    const { entries } = await yesterday.range({ prefix: "u/" });
    expect(entries).toEqual([]);
    await collectGarbage();
    expect(chunksOn(parts[69] as Uint8Array)).toBe(1);
  });

  it("goes on where it was broken off, and keeps nothing twice", async () => {
    world = await World.start({ replicas: 1, acks: 1, nodes: 1 });
    const yesterday = await backup();
    const parts = Array.from({ length: 130 }, (_, at) => bytesOf(64, at + 1));
    // Full chunks but for the last, in little memory: sizes are what the heads say.
    const node = world.nodes[0];
    const fileId = "0199aaaabbbb00000000000000000001" as FileId;
    for (const [index, bytes] of parts.entries()) {
      node?.put(fileId, index, bytes);
      const id = chunkIdOf([bytes]);
      const head = node?.heads.get(id);
      if (head !== undefined && index < 129) node?.heads.set(id, { ...head, sizeBytes: MIB });
    }
    if (node !== undefined) node.seen = { epoch: 1, revision: 1_000_000 };
    await restartOn(yesterday, 2);
    await restartOn(yesterday, 1002);
    const transact = yesterday.transact.bind(yesterday);
    let left = 4;
    yesterday.transact = (transaction) => {
      if (--left < 0) throw new Error("the power went out");
      return transact(transaction);
    };
    await expect(world.runWorker("lost-found")).rejects.toThrow();
    yesterday.transact = transact;
    await restartOn(yesterday, 1003);
    await world.runWorker("lost-found");
    const found = await list("/lost+found");
    expect(found.map(({ name, sizeBytes }) => [name, sizeBytes])).toEqual([
      [lostName(fileId), 129 * MIB + 64],
    ]);
    expect((await yesterday.range({ prefix: "u/" })).entries).toEqual([]);
  });

  it("holds again for a node that was away, until it was looked at too", async () => {
    world = await World.start({ replicas: 1, acks: 1, nodes: 2 });
    const yesterday = await backup();
    const away = world.nodes[1];
    if (away === undefined) throw new Error("there is no second node");
    const lost = bytesOf(500_000, 7);
    const begun = await world.begin("/later.bin");
    const claim = world.place(begun, 0, [lost], [away]);
    await world.call("file.commit", {
      ...{ fileId: begun.fileId, sizeBytes: lost.length, segments: 0 },
      ...claim,
    });
    for (const node of world.nodes) await node.sendReport();
    await restartOn(yesterday, 2);
    await restartOn(yesterday, 1002);
    await world.disconnect(away);
    await world.runWorker("lost-found");
    await world.connect(away);
    await collectGarbage();
    expect(chunksOn(lost)).toBe(1);
    await world.runWorker("lost-found");
    expect(await list("/lost+found")).toHaveLength(1);
  });

  it("is noticed after an offline restore without any node's word", async () => {
    world = await World.start({ replicas: 1, acks: 1, nodes: 1 });
    const yesterday = await backup();
    await world.upload("/later.bin", [bytesOf(MIB, 1)]);
    await yesterday.transact({ success: [put(RESTORED_KEY, Buffer.from("9"))] });
    for (const node of world.nodes) node.seen = undefined;
    expect(await restartOn(yesterday, 1001)).toEqual([]);
    await collectGarbage();
    expect(chunksOn(bytesOf(MIB, 1))).toBe(1);
    await world.runWorker("lost-found");
    expect(await list("/lost+found")).toHaveLength(1);
  });

  it("is not suspected after an ordinary restart", async () => {
    world = await World.start({ replicas: 1, acks: 1, nodes: 1 });
    await world.upload("/a.bin", [bytesOf(MIB, 1)]);
    for (const node of world.nodes) await node.sendReport();
    expect(await restartOn(world.store, 2)).toEqual([]);
    await world.call("file.remove", { path: "/a.bin" });
    await world.runWorker("garbage");
    await world.clock.advance(GRACE_MS + 1);
    await world.runWorker("garbage");
    await collectGarbage();
    expect(chunksOn(bytesOf(MIB, 1))).toBe(0);
  });
});

describe("judging what a node remembers", () => {
  const hold: HoldRecord = {
    ...{ v: 1, sinceEpoch: 100, baseRevision: 5, atMs: 0 },
    ...{ scanned: ["a" as NodeId], files: 0, incomplete: 0 },
  };
  const own = { epoch: 7, run: "this", openedRevision: 50, hold: undefined };

  it("suspects what is ahead of the records, and nothing else", () => {
    expect(judgeMark(undefined, own)).toBe("known");
    expect(judgeMark({ epoch: 6, revision: 50, run: "before" }, own)).toBe("known");
    expect(judgeMark({ epoch: 6, revision: 51, run: "before" }, own)).toBe("rolled-back");
    expect(judgeMark({ epoch: 8, revision: 1, run: "later" }, own)).toBe("rolled-back");
    expect(judgeMark({ epoch: 2 ** 50, revision: 1 }, own)).toBe("unbelievable");
  });

  it("tells its own run from one of another life with the same epoch", () => {
    expect(judgeMark({ epoch: 7, revision: 900, run: "this" }, own)).toBe("known");
    expect(judgeMark({ epoch: 7, revision: 2, run: "other" }, own)).toBe("rolled-back");
    expect(judgeMark({ epoch: 7, revision: 2 }, own)).toBe("rolled-back");
  });

  it("knows the time before a rollback that it dealt with", () => {
    const after = { ...own, epoch: 101, hold };
    expect(judgeMark({ epoch: 99, revision: 9000 }, after)).toBe("known");
    expect(judgeMark({ epoch: 100, revision: 9000 }, after)).toBe("rolled-back");
  });

  it("holds while a node is there that was not looked at", () => {
    expect(isHeld(undefined, ["b" as NodeId])).toBe(false);
    expect(isHeld(hold, ["a" as NodeId])).toBe(false);
    expect(isHeld(hold, ["a" as NodeId, "b" as NodeId])).toBe(true);
  });
});

describe("chunks back to files", () => {
  it("are whole with every place and a short one only at the end", () => {
    const chunk = (index: number, sizeBytes: number, fileId = "f".repeat(32), atMs = 1) => ({
      ...{ id: chunkIdOf([bytesOf(8, index + atMs)]), fileId: fileId as FileId },
      ...{ index, sizeBytes, owner: "o", atMs },
    });
    const wholeOf = (...chunks: ReturnType<typeof chunk>[]) =>
      groupLostChunks(chunks).map(({ isWhole }) => isWhole);
    expect(wholeOf(chunk(1, 5), chunk(0, MIB))).toEqual([true]);
    expect(wholeOf(chunk(0, MIB), chunk(1, MIB))).toEqual([true]);
    expect(wholeOf(chunk(1, 5))).toEqual([false]);
    expect(wholeOf(chunk(0, 5), chunk(1, 5))).toEqual([false]);
    const [twice] = groupLostChunks([chunk(0, 5, undefined, 9), chunk(0, 4, undefined, 3)]);
    expect(twice?.chunks.map(({ sizeBytes }) => sizeBytes)).toEqual([5]);
  });
});
