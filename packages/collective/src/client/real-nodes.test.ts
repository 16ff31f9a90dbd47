import { randomBytes } from "node:crypto";
import { limits } from "@hearthmesh/core";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { RealWorld } from "./testing/real-world.js";
import { inPieces, joined } from "./testing/small-world.js";

const MIB = limits.CHUNK_BYTES_MAX;

// Real disks sync at their own pace.
vi.setConfig({ testTimeout: 60_000, hookTimeout: 60_000 });

let world: RealWorld;
beforeEach(async () => {
  world = new RealWorld();
  await world.start(3);
});
afterEach(() => world.stop());

describe("with the real coordinator and real storage nodes", () => {
  it("writes, lists, reads, moves and removes files of every size", async () => {
    const client = world.client("alice", "/:read+write+delete");
    await client.makeDirectory("/shared");
    const sizes = [
      0,
      10,
      limits.INLINE_FILE_BYTES_MAX + 1,
      limits.SMALL_FILE_BYTES_MAX + 1,
      20 * MIB,
    ];
    const files = new Map(sizes.map((size) => [`/shared/${size}`, randomBytes(size)]));
    for (const [path, bytes] of files) {
      const entry = await client.write(path, inPieces(bytes, 100_000));
      expect(entry.sizeBytes).toBe(bytes.length);
    }
    const listed: string[] = [];
    for await (const entry of client.list("/shared")) listed.push(entry.path);
    expect(listed.sort()).toEqual([...files.keys()].sort());
    await client.move("/shared/10", "/shared/ten");
    for (const [path, bytes] of files) {
      const { stream } = await client.read(path === "/shared/10" ? "/shared/ten" : path);
      expect((await joined(stream)).equals(bytes)).toBe(true);
    }
    const range = await client.read(`/shared/${20 * MIB}`, {
      start: 3 * MIB - 1,
      endInclusive: 3 * MIB,
    });
    expect((await joined(range.stream)).length).toBe(2);
    expect(await client.remove("/shared", { recursive: true })).toBeGreaterThan(0);
    await expect(client.stat("/shared/ten")).rejects.toMatchObject({
      code: expect.stringMatching(/^MESH_(PATH_NOT_FOUND|PARENT_MISSING)$/),
    });
  });

  it("finishes a write while a node is killed, and reads it back without that node", async () => {
    const client = world.client("alice", "/:read+write");
    const bytes = randomBytes(40 * MIB);
    const entry = await client.write("/f", killingAt(bytes, 15 * MIB));
    expect(entry.sizeBytes).toBe(bytes.length);
    expect((await joined((await client.read("/f")).stream)).equals(bytes)).toBe(true);
  });

  it("lets a grant decide, and keeps conditions", async () => {
    await world.client("alice", "/:read+write").makeDirectory("/media");
    const carol = world.client("carol", "/media:read");
    const small = () => inPieces(randomBytes(10), 10);
    const large = () => inPieces(randomBytes(MIB), MIB);
    for (const source of [small, large]) {
      await expect(carol.write("/media/f", source())).rejects.toMatchObject({
        code: "MESH_FORBIDDEN",
      });
    }
    const alice = world.client("alice2", "/:read+write");
    const first = await alice.write("/media/f", large(), { ifMatch: "" });
    await expect(alice.write("/media/f", large(), { ifMatch: "" })).rejects.toMatchObject({
      status: 412,
    });
    await alice.write("/media/f", small(), { ifMatch: first.etag });
    await expect(alice.write("/media/f", large(), { ifMatch: first.etag })).rejects.toMatchObject({
      code: "MESH_PATH_CHANGED",
    });
    expect((await joined((await carol.read("/media/f")).stream)).length).toBe(10);
  });
});

/** Kills a node when so many bytes were taken. */
async function* killingAt(bytes: Buffer, position: number): AsyncGenerator<Uint8Array> {
  let taken = 0;
  for await (const piece of inPieces(bytes, MIB)) {
    if (taken < position && taken + piece.length >= position) await world.nodes[1]!.kill();
    taken += piece.length;
    yield piece;
  }
}
