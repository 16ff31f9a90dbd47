import { type ChunkId, type FileId, limits } from "@hearthmesh/core";
import { turns } from "@hearthmesh/core/testing";
import { put, remove } from "@hearthmesh/store";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { chunkIdOf } from "../../storage/blake3.js";
import { keys, ROOT_ID } from "../keys.js";
import { encodeDead, encodeReference } from "../records.js";
import { bytesOf, World } from "../testing/world.js";
import type { FsckReport } from "./fsck-report.js";

const FULL = limits.CHUNK_BYTES_MAX;

let world: World;
beforeEach(async () => {
  world = await World.start({ trashRetentionMs: 1e9, intervals: { garbageGraceMs: 0 } });
  await world.runWorker("usage");
});
afterEach(() => world.stop());

async function check(repair = false): Promise<FsckReport> {
  const worker = world.coordinator.workers().find((one) => one.name === "fsck");
  const before = worker?.inspect().runs ?? 0;
  await world.call("fsck.run", { repair });
  for (let round = 0; round < 2_000 && worker?.inspect().runs === before; round++) await turns(2);
  const { body } = await world.coordinator.call(world.operator, "fsck.report", {});
  return JSON.parse(Buffer.from(body).toString("utf8")).report;
}

async function someFiles(): Promise<void> {
  await world.call("file.mkdir", { path: "/a/b", parents: true });
  await world.put("/a/inline", bytesOf(100, 1));
  await world.put("/a/b/small", bytesOf(5_000, 2));
  await world.put("/a/b/same", bytesOf(5_000, 2));
  await world.upload("/large", [bytesOf(FULL, 3), bytesOf(FULL, 3), bytesOf(77, 4)]);
}

const small = chunkIdOf([bytesOf(5_000, 2)]);

function losesEverywhere(id: ChunkId): void {
  for (const node of world.nodes) node.chunks.delete(id);
}

describe("a check", () => {
  it("finds nothing where nothing is wrong, in the trash and while uploading too", async () => {
    await someFiles();
    await world.put("/gone", bytesOf(6_000, 5));
    await world.call("file.remove", { path: "/gone" });
    await world.put("/dead", bytesOf(7_000, 6));
    await world.call("file.remove", { path: "/dead", permanent: true });
    await world.call("file.mkdir", { path: "/tree/deep", parents: true });
    await world.put("/tree/deep/x", bytesOf(8_000, 7));
    await world.call("file.remove", { path: "/tree", recursive: true });
    await world.begin("/upload");
    const report = await check();
    expect(report.findings).toEqual([]);
    expect(report).toMatchObject({
      ...{ state: "clean", files: 5, directories: 3, trash: 2, dead: 1, nodesAway: [] },
      ...{ chunks: 6, underReplicated: 0, unreferenced: { chunks: 0 }, skipped: [] },
    });
  });

  it("names files whose chunks are on no node, and says when a node is away", async () => {
    await someFiles();
    losesEverywhere(small);
    const report = await check();
    expect(report.state).toBe("lost");
    expect(report.findings.map(({ kind, path }) => [kind, path]).sort()).toEqual([
      ["chunks-lost", "/a/b/same"],
      ["chunks-lost", "/a/b/small"],
    ]);
    await world.disconnect(world.nodes[0] as World["nodes"][0]);
    const unsure = await check();
    expect(unsure).toMatchObject({ state: "unknown", counts: { "chunks-away": 2 } });
    expect(unsure.nodesAway).toEqual(["node-1"]);
  });

  it("counts chunks with fewer copies than they should have, and has them brought", async () => {
    await someFiles();
    world.nodes[1]?.chunks.delete(small);
    expect(await check()).toMatchObject({ state: "untidy", underReplicated: 1, findings: [] });
    await check(true);
    await turns(50);
    expect(world.nodes[1]?.chunks.has(small)).toBe(true);
    expect(await check()).toMatchObject({ state: "clean", underReplicated: 0 });
  });

  it("counts chunks that nothing refers to, with their age, and leaves them", async () => {
    await someFiles();
    const fileId = "1".repeat(32) as FileId;
    world.nodes[0]?.put(fileId, 0, bytesOf(9_000, 9));
    const putAtMs = world.clock.nowMs();
    await world.clock.advance(50_000);
    const report = await check(true);
    expect(report).toMatchObject({ unreferenced: { chunks: 1, oldestAtMs: putAtMs } });
    expect(world.nodes[0]?.chunks.size).toBe(4);
  });

  it("writes a reference that a file lacks, before the collector sees the chunk", async () => {
    await someFiles();
    const [key] = (await world.rows(`r/${small}/`)) as [string];
    await world.store.transact({ success: [remove(key)] });
    const report = await check();
    expect(report).toMatchObject({ state: "untidy", counts: { "reference-missing": 1 } });
    expect(report.findings[0]?.path).toMatch(/^\/a\/b\/(small|same)$/);
    expect(await world.referenced(small)).toBe(1);
    expect(await check(true)).toMatchObject({ mended: 1 });
    expect(await world.referenced(small)).toBe(2);
    expect(await check()).toMatchObject({ state: "clean" });
  });

  it("takes a living file off the sweeper's list", async () => {
    await someFiles();
    const { entry } = await world.call<{ entry: { fileId: FileId } }>("file.stat", {
      path: "/large",
    });
    const dead = { kind: "file" as const, run: "x", atMs: 0, chunks: [] };
    await world.store.transact({ success: [put(keys.dead(entry.fileId), encodeDead(dead))] });
    const report = await check(true);
    expect(report.findings).toMatchObject([{ kind: "dead-alive", path: "/large", mended: true }]);
    expect(await world.rows("d/")).toEqual([]);
  });

  it("tells of rows of nobody, and takes no content away", async () => {
    await someFiles();
    const nobody = "2".repeat(32) as FileId;
    const id = chunkIdOf([bytesOf(10, 8)]);
    for (const node of world.nodes) node.chunks.set(id, bytesOf(10, 8));
    const rows = [
      put(keys.reference(id, nobody), encodeReference(0, 10)),
      put(keys.segment(nobody, 0), new Uint8Array([1])),
      put(keys.queued(nobody, 0), Buffer.from('{"v":1,"chunks":[]}')),
    ];
    await world.store.transact({ success: rows });
    const report = await check(true);
    expect(report.counts).toEqual({
      ...{ "reference-stray": 1, "segment-stray": 1, "queue-stray": 1 },
    });
    expect(report.mended).toBe(1);
    expect(await world.referenced(id)).toBe(1);
  });

  it("finds a gap in the list of a long file's chunks", async () => {
    const begun = await world.begin("/long");
    const parts = Array.from({ length: 20 }, (_, at) => bytesOf(FULL, at));
    const claim = world.place(begun, 0, parts);
    await world.call("file.segment", { fileId: begun.fileId, segment: 0, ...claim });
    const commit = { fileId: begun.fileId, sizeBytes: 20 * FULL, segments: 1 };
    await world.call("file.commit", { ...commit, chunks: [], receipts: [] });
    expect(await check()).toMatchObject({ state: "clean" });
    await world.store.transact({ success: [remove(keys.segment(begun.fileId, 0))] });
    const report = await check();
    expect(report.state).toBe("lost");
    expect(report.findings[0]).toMatchObject({ kind: "segment-missing", path: "/long" });
  });

  it("gives a directory that nothing leads to a place", async () => {
    await someFiles();
    await world.store.transact({ success: [remove(keys.entry(ROOT_ID, "a"))] });
    const report = await check(true);
    expect(report.counts).toEqual({ "directory-orphan": 1 });
    const [finding] = report.findings;
    const path = `/lost+found/${finding?.id}/b/small`;
    const { entry } = await world.call<{ entry: { sizeBytes: number } }>("file.stat", { path });
    expect(entry.sizeBytes).toBe(5_000);
    expect(await check()).toMatchObject({ state: "clean" });
  });

  it("finds totals that are wrong and counts them again", async () => {
    await someFiles();
    const key = keys.entry(ROOT_ID, "large");
    const row = await world.store.get(key);
    const copy = put(keys.entry(ROOT_ID, "twin"), row?.value as Uint8Array);
    await world.store.transact({ success: [copy] });
    const report = await check(true);
    expect(report.counts).toEqual({ "file-twice": 1, "usage-wrong": 1 });
    expect(await check()).toMatchObject({ counts: { "file-twice": 1 } });
  });

  it("accuses nobody while clients write, move and remove", async () => {
    await someFiles();
    let writing = 3;
    const writer = async (lane: number) => {
      for (let round = 0; round < 30; round++) {
        const path = `/a/w${lane}-${round % 7}`;
        await world.put(path, bytesOf(4_000 + round, lane * 1_000 + round));
        if (round % 3 === 0) await world.call("file.move", { from: path, to: `${path}-z` });
        else if (round % 4 === 1) await world.call("file.remove", { path });
        if (round % 5 === 2) await world.runWorker("garbage");
        const permanent = round % 2 === 0;
        await world.call("file.remove", { path: `${path}-z`, permanent }).catch(() => undefined);
      }
      writing--;
    };
    const writers = [0, 1, 2].map(writer);
    for (let round = 0; writing > 0; round++) {
      const report = await check(round % 2 === 1);
      expect(report.findings).toEqual([]);
    }
    await Promise.all(writers);
    expect(await check()).toMatchObject({ state: "clean" });
  });

  it("is for the operator alone", async () => {
    const carol = world.person("carol", "/:read+write+delete+share");
    for (const method of ["fsck.run", "fsck.report", "worker.list", "worker.set", "worker.run"]) {
      const refused = world.callAs(carol, method, { name: "fsck" });
      await expect(refused).rejects.toMatchObject({ code: "MESH_FORBIDDEN" });
    }
  });
});
