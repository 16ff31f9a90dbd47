import { createHash } from "node:crypto";
import { mkdtemp, readdir, readFile, rm, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import {
  checkedSnapshot,
  listSnapshots,
  pruneSnapshots,
  readSnapshotInfo,
  snapshotDatabase,
  snapshotName,
  snapshotTimeMs,
  withHash,
  writeSnapshot,
} from "./snapshot-file.js";

async function* inPieces(bytes: Uint8Array, size: number): AsyncGenerator<Uint8Array> {
  for (let at = 0; at < bytes.length; at += size) yield bytes.subarray(at, at + size);
}
async function collect(pieces: AsyncIterable<Uint8Array>): Promise<Buffer> {
  const all: Uint8Array[] = [];
  for await (const piece of pieces) all.push(piece);
  return Buffer.concat(all);
}
const sqlite = Buffer.concat([Buffer.from("SQLite format 3\0"), Buffer.alloc(1_500_000, 7)]);
const etcd = Buffer.concat([Buffer.alloc(16), Buffer.from("edda0ced", "hex"), Buffer.alloc(5000)]);

describe("a snapshot file", () => {
  let folder: string;
  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), "snapshot-"));
  });
  afterEach(() => rm(folder, { recursive: true, force: true }));

  it("is the database with its hash, of either engine", async () => {
    for (const [engine, bytes] of [
      ["sqlite", sqlite],
      ["etcd", etcd],
    ] as const) {
      const path = join(folder, "inner", `${engine}.db`);
      const info = await writeSnapshot(path, withHash(inPieces(bytes, 100_000)));
      const sha256 = createHash("sha256").update(bytes).digest("hex");
      expect(info).toEqual({ engine, bytes: bytes.length + 32, sha256 });
      expect((await collect(snapshotDatabase(path))).equals(bytes)).toBe(true);
      expect((await stat(path)).mode & 0o077).toBe(0);
    }
  });

  it("that is damaged, cut off or something else is refused, and leaves no file", async () => {
    const whole = await collect(withHash(inPieces(etcd, 999)));
    const changed = Buffer.from(whole);
    changed[100] = 1;
    for (const bytes of [changed, whole.subarray(0, -1), Buffer.alloc(0), Buffer.alloc(31)]) {
      const path = join(folder, "x.db");
      await expect(writeSnapshot(path, inPieces(bytes, 512))).rejects.toMatchObject({
        code: "MESH_STORE_CORRUPT",
      });
      expect(await readdir(folder)).toEqual([]);
      await writeFile(path, bytes);
      await expect(readSnapshotInfo(path)).rejects.toMatchObject({ code: "MESH_STORE_CORRUPT" });
      await rm(path);
    }
    const other = join(folder, "other");
    await writeFile(other, await collect(withHash(inPieces(Buffer.from("hello"), 2))));
    await expect(readSnapshotInfo(other)).rejects.toMatchObject({
      message: expect.stringContaining("no snapshot"),
    });
  });

  it("passes whole ones and no others, for any split", async () => {
    await fc.assert(
      fc.asyncProperty(fc.uint8Array(), fc.integer({ min: 1, max: 64 }), async (bytes, size) => {
        const whole = await collect(withHash(inPieces(bytes, size)));
        expect(await collect(checkedSnapshot(inPieces(whole, size)))).toEqual(whole);
        const cut = whole.subarray(0, whole.length - size);
        await expect(collect(checkedSnapshot(inPieces(cut, size)))).rejects.toThrow();
      }),
    );
  });

  it("has its time in its name, and the oldest go first", async () => {
    const times = [0, 86_400_000, 1_790_000_000_000].map((ms) => Math.floor(ms / 1000) * 1000);
    for (const time of times) {
      expect(snapshotTimeMs(snapshotName(time))).toBe(time);
      await writeFile(join(folder, snapshotName(time)), "x");
    }
    await writeFile(join(folder, "mine.db"), "x");
    expect(await listSnapshots(folder)).toEqual(times.map(snapshotName));
    await pruneSnapshots(folder, 1);
    expect(await listSnapshots(folder)).toEqual(times.slice(2).map(snapshotName));
    expect(await readFile(join(folder, "mine.db"), "utf8")).toBe("x");
  });
});
