import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type FileId, silentLogger, systemClock } from "@hearthmesh/core";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { chunkIdOf } from "./blake3.js";
import { fileDisk } from "./file-disk.js";
import { openPackStore } from "./pack-store.js";

let root: string;

beforeEach(async () => {
  root = await mkdtemp(join(tmpdir(), "hearthmesh-disk-"));
});
afterEach(() => rm(root, { recursive: true, force: true }));

describe("the real disk", () => {
  it("writes many pieces at a place, reads them back, and cuts", async () => {
    const disk = fileDisk(root);
    await disk.makeDirectory("a/b");
    const file = await disk.open("a/b/file", { create: true });
    const pieces = Array.from({ length: 3000 }, (_, index) => Buffer.from([index & 255]));
    await file.write(5, [...pieces, Buffer.alloc(0)]);
    await file.sync();
    expect(await file.sizeBytes()).toBe(3005);
    expect(Buffer.from(await file.read(5, 3000))).toEqual(Buffer.concat(pieces));
    expect((await file.read(3000, 100)).length).toBe(5);
    const into = Buffer.alloc(4000, 9);
    const read = await file.read(3000, 100, into);
    expect([read.buffer, read.length]).toEqual([into.buffer, 5]);
    expect(Buffer.from(read)).toEqual(Buffer.concat(pieces.slice(2995)));
    await file.truncate(10);
    expect(await file.sizeBytes()).toBe(10);
    await file.close();
    await disk.rename("a/b/file", "a/b/other");
    await disk.syncDirectory("a/b");
    expect(await disk.list("a/b")).toEqual(["other"]);
    expect(await disk.exists("a/b/file")).toBe(false);
    await disk.remove("a/b/other");
    await disk.remove("a/b/other");
    expect(await disk.list("a/b")).toEqual([]);
    expect(await disk.list("nowhere")).toEqual([]);
    expect(await disk.freeBytes()).toBeGreaterThan(0);
  });

  it.each(["../x", "a/../../x", "/etc/passwd", "", "a//b", "./a", "a\0b", "a\\b"])(
    "never leaves its directory for %j",
    async (path) => {
      const disk = fileDisk(root);
      await expect(disk.open(path, { create: true })).rejects.toMatchObject({
        code: "MESH_DISK_FAILED",
      });
      await expect(disk.remove(path)).rejects.toMatchObject({ code: "MESH_DISK_FAILED" });
    },
  );

  it("says what failed and where", async () => {
    const disk = fileDisk(root);
    await expect(disk.open("missing")).rejects.toMatchObject({
      code: "MESH_DISK_FAILED",
      message: "cannot open missing: ENOENT",
      details: { path: "missing", systemCode: "ENOENT" },
    });
  });

  it("carries a pack store from one opening to the next, also without its index", async () => {
    const open = () =>
      openPackStore({
        disk: fileDisk(root),
        clock: systemClock(),
        log: silentLogger,
        capacityBytes: 1 << 30,
        reserveBytes: 0,
        packBytesMax: 100_000,
      });
    const owner = "spiffe://home.alice/person/alice@home.alice";
    const chunks = Array.from({ length: 50 }, (_, index) => {
      const bytes = Buffer.alloc(index * 300, `chunk ${index} `);
      const id = chunkIdOf([bytes]);
      const fileId = "a".repeat(32) as FileId;
      const header = { v: 1, id, fileId, index, owner, atMs: 1, sizeBytes: bytes.length } as const;
      return { header, bytes };
    });
    const first = await open();
    await Promise.all(chunks.map(({ header, bytes }) => first.put(header, [bytes])));
    await first.close();
    const packs = join(root, "packs");
    const second = await open();
    await second.close();
    await rm(join(packs, "0000000001.index"));
    await writeFile(join(packs, "0000000002.index"), "not an index");
    const torn = join(packs, "0000000003.index.new");
    await writeFile(torn, "half");
    const third = await open();
    for (const { header, bytes } of chunks) {
      expect(Buffer.compare((await third.get(header.id)).bytes, bytes)).toBe(0);
    }
    await third.close();
    await expect(readFile(torn)).rejects.toThrow();
  });
});
