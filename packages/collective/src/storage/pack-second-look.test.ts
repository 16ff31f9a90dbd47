import {
  type ChunkId,
  type Clock,
  type FileId,
  MeshError,
  silentLogger,
  systemClock,
} from "@hearthmesh/core";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { FaultyDisk } from "../testing/faulty-disk.js";
import type { ChunkHeader } from "../types.js";
import { chunkIdOf } from "./blake3.js";
import { openPackStore, type PackStore } from "./pack-store.js";

/** Two or three of the chunks below. */
const PACK_BYTES_MAX = 1500;
const PACK_1 = "packs/0000000001.pack";

const chunks = Array.from({ length: 12 }, (_, index) => {
  const bytes = Buffer.alloc(300 + index * 10, `chunk ${index} `);
  const header: ChunkHeader = {
    v: 1,
    id: chunkIdOf([bytes]),
    fileId: "0".repeat(32) as FileId,
    index,
    owner: "spiffe://home.alice/person/alice@home.alice",
    atMs: 1,
    sizeBytes: bytes.length,
  };
  return { header, bytes };
});
const idOf = (index: number) => chunks[index]?.header.id as ChunkId;

class World {
  readonly disk = new FaultyDisk();
  /** Pauses that the store asked for. */
  readonly pausesMs: number[] = [];
  /** Called at each pause. */
  onPause: () => void = () => undefined;
  #nowMs = 0;

  async open(): Promise<PackStore> {
    const clock: Clock = {
      ...systemClock(),
      // Every look at the clock is ten seconds later: the free space is asked each time.
      monotonicMs: () => (this.#nowMs += 10_000),
      setTimeout: (callback, delayMs) => {
        this.pausesMs.push(delayMs);
        this.onPause();
        queueMicrotask(callback);
        return { cancel: () => undefined };
      },
    };
    return openPackStore({
      disk: this.disk.process(),
      clock,
      log: silentLogger,
      capacityBytes: 1 << 20,
      reserveBytes: 0,
      packBytesMax: PACK_BYTES_MAX,
    });
  }

  /** Reads of these files fail from now on. */
  failReads(isHit: (path: string) => boolean): void {
    this.disk.onAction = (action, path) => {
      if (action === "read" && isHit(path)) throw new MeshError("MESH_DISK_FAILED");
    };
  }

  mend(): void {
    this.disk.onAction = () => undefined;
  }

  packs(): string[] {
    return this.disk.paths().filter((path) => path.endsWith(".pack"));
  }
}

async function put(store: PackStore, ...indexes: number[]): Promise<void> {
  for (const index of indexes) {
    const chunk = chunks[index];
    if (chunk !== undefined) await store.put(chunk.header, [chunk.bytes]);
  }
}

const listed = (store: PackStore) => new Set(store.list(undefined, 100));
const ids = (...indexes: number[]) => new Set(indexes.map(idOf));
const diskFailed = expect.objectContaining({ code: "MESH_DISK_FAILED" });
const notFound = expect.objectContaining({ code: "MESH_CHUNK_NOT_FOUND" });

describe("a pack that cannot be read when the store opens", () => {
  it("is tried again after a short pause", async () => {
    const world = new World();
    await put(await world.open(), 0, 1, 2, 3, 4, 5);
    world.disk.killProcess();
    world.failReads((path) => path === PACK_1);
    world.onPause = () => {
      if (world.pausesMs.length === 2) world.mend();
    };
    const store = await world.open();
    expect(world.pausesMs).toHaveLength(2);
    expect(listed(store)).toEqual(ids(0, 1, 2, 3, 4, 5));
    expect((await store.report()).unreadablePacks).toBeUndefined();
    for (const index of [0, 1, 2, 3, 4, 5]) await store.get(idOf(index));
  });

  it("is set aside, reported, and taken back when the disk has recovered", async () => {
    const world = new World();
    await put(await world.open(), 0, 1, 2, 3, 4, 5);
    world.disk.killProcess();
    world.failReads((path) => path === PACK_1);
    const store = await world.open();
    const hidden = [0, 1, 2, 3, 4, 5].filter((index) => !store.has(idOf(index)));
    expect(hidden.length).toBeGreaterThan(1);
    expect(await store.report()).toMatchObject({ unreadablePacks: 1 });
    await store.compactOnce();
    expect(await store.report()).toMatchObject({ unreadablePacks: 1 });
    world.mend();
    await store.compactOnce();
    expect(listed(store)).toEqual(ids(0, 1, 2, 3, 4, 5));
    expect((await store.report()).unreadablePacks).toBeUndefined();
    for (const index of hidden) await store.get(idOf(index));
  });

  it("does not bring back what was deleted meanwhile", async () => {
    const world = new World();
    await put(await world.open(), 0, 1, 2, 3, 4, 5);
    world.disk.killProcess();
    world.failReads((path) => path === PACK_1);
    const store = await world.open();
    await store.delete([idOf(0)]);
    world.mend();
    await store.compactOnce();
    expect(listed(store)).toEqual(ids(1, 2, 3, 4, 5));
    world.disk.losePower(() => false);
    expect(listed(await world.open())).toEqual(ids(1, 2, 3, 4, 5));
  });

  it("deletes what its tombstones name, but not what was put again meanwhile", async () => {
    const world = new World();
    const first = await world.open();
    await put(first, 0, 1, 2);
    const before = world.packs().length;
    await put(first, 3);
    while (world.packs().length === before) await put(first, 4, 5, 6);
    const path = world.packs().at(-1);
    await first.delete([idOf(0), idOf(1)]);
    world.disk.killProcess();
    world.failReads((one) => one === path);
    const store = await world.open();
    // The tombstones are hidden, so these seem to be there.
    expect(store.has(idOf(0)) && store.has(idOf(1))).toBe(true);
    await put(store, 0);
    world.mend();
    await store.compactOnce();
    expect([store.has(idOf(0)), store.has(idOf(1))]).toEqual([true, false]);
    await store.get(idOf(0));
    world.disk.losePower(() => false);
    const again = await world.open();
    expect([again.has(idOf(0)), again.has(idOf(1))]).toEqual([true, false]);
  });

  type Step = { type: "put" | "delete"; chunk: number } | { type: "compact" };
  const stepArbitrary: fc.Arbitrary<Step> = fc.oneof(
    {
      weight: 6,
      arbitrary: fc.record({
        type: fc.constantFrom("put" as const, "put" as const, "delete" as const),
        chunk: fc.nat(chunks.length - 1),
      }),
    },
    { weight: 1, arbitrary: fc.constant({ type: "compact" as const }) },
  );

  it("leaves the store as if it had always been readable", async () => {
    const steps = fc.array(stepArbitrary, { minLength: 5, maxLength: 60, size: "max" });
    const late = fc.array(stepArbitrary, { maxLength: 20, size: "max" });
    const hiddenPacks = fc.array(fc.boolean(), { minLength: 1, maxLength: 20, size: "max" });
    await fc.assert(
      fc.asyncProperty(steps, late, hiddenPacks, async (early, meanwhile, hidden) => {
        const world = new World();
        const expected = new Set<ChunkId>();
        const play = async (store: PackStore, step: Step) => {
          if (step.type === "compact") {
            await store.compactOnce();
            return;
          }
          const id = idOf(step.chunk);
          if (step.type === "put") await put(store, step.chunk);
          else await store.delete([id]);
          if (step.type === "put") expected.add(id);
          else expected.delete(id);
        };
        let store = await world.open();
        for (const step of early) await play(store, step);
        world.disk.killProcess();
        const paths = new Set(world.packs().filter((_, at) => hidden[at % hidden.length]));
        world.failReads((path) => paths.has(path));
        store = await world.open();
        for (const step of meanwhile) await play(store, step);
        world.mend();
        await store.compactOnce();
        const check = async () => {
          expect(listed(store)).toEqual(expected);
          for (const { header, bytes } of chunks) {
            if (!expected.has(header.id)) continue;
            expect(Buffer.compare((await store.get(header.id)).bytes, bytes)).toBe(0);
          }
        };
        await check();
        expect((await store.report()).unreadablePacks).toBeUndefined();
        for (let step = await store.compactOnce(); step.more; ) step = await store.compactOnce();
        await check();
        const { usedBytes } = await store.report();
        world.disk.losePower(() => false);
        store = await world.open();
        expect(listed(store)).toEqual(expected);
        expect((await store.report()).usedBytes).toBe(usedBytes);
      }),
      { numRuns: 200 },
    );
  });
});

describe("a chunk that the disk does not give", () => {
  it("is missing, until a later get succeeds", async () => {
    const world = new World();
    const store = await world.open();
    await put(store, 0, 1);
    world.failReads((path) => path === PACK_1);
    for (let attempt = 0; attempt < 3; attempt++) {
      await expect(store.get(idOf(0))).rejects.toEqual(diskFailed);
    }
    expect(store.has(idOf(0))).toBe(false);
    expect(listed(store)).toEqual(ids(1));
    expect(await store.report()).toMatchObject({ chunkCount: 1, corruptChunks: 1 });
    world.mend();
    expect(Buffer.from((await store.get(idOf(0))).bytes)).toEqual(chunks[0]?.bytes);
    expect(listed(store)).toEqual(ids(0, 1));
    expect(await store.report()).toMatchObject({ chunkCount: 2, corruptChunks: 0 });
  });

  it("comes back by itself, a few at each step of the upkeep", async () => {
    const world = new World();
    const store = await world.open();
    const all = chunks.map((_, index) => index);
    await put(store, ...all);
    world.failReads(() => true);
    for (const index of all) await expect(store.get(idOf(index))).rejects.toEqual(diskFailed);
    expect(listed(store).size).toBe(0);
    await store.compactOnce();
    expect(listed(store).size).toBe(0);
    world.mend();
    await store.compactOnce();
    expect(listed(store).size).toBe(8);
    await store.compactOnce();
    expect(listed(store)).toEqual(ids(...all));
  });

  it("is out for good when the disk then gives wrong bytes", async () => {
    const world = new World();
    const store = await world.open();
    await put(store, 0, 1);
    world.failReads(() => true);
    await expect(store.get(idOf(0))).rejects.toEqual(diskFailed);
    world.mend();
    world.disk.damage(PACK_1, 300);
    await expect(store.get(idOf(0))).rejects.toMatchObject({ code: "MESH_CHUNK_MISMATCH" });
    await expect(store.get(idOf(0))).rejects.toEqual(notFound);
    expect(await store.report()).toMatchObject({ corruptChunks: 1 });
  });

  it("can be replaced by a new copy, and deleted for good", async () => {
    const world = new World();
    const store = await world.open();
    await put(store, 0, 1, 2);
    world.failReads(() => true);
    for (const index of [0, 1]) await expect(store.get(idOf(index))).rejects.toEqual(diskFailed);
    await put(store, 0);
    await store.delete([idOf(1)]);
    world.mend();
    await store.compactOnce();
    expect(listed(store)).toEqual(ids(0, 2));
    await store.get(idOf(0));
    await expect(store.get(idOf(1))).rejects.toEqual(notFound);
    world.disk.losePower(() => false);
    expect(listed(await world.open())).toEqual(ids(0, 2));
  });

  it("keeps its pack from being removed, until nothing in it is suspect", async () => {
    const world = new World();
    const store = await world.open();
    await put(store, 0, 1, 2, 3, 4, 5);
    const inFirst = [0, 1, 2, 3, 4, 5].filter((index) => index * 330 < PACK_BYTES_MAX - 400);
    world.failReads((path) => path === PACK_1);
    await expect(store.get(idOf(0))).rejects.toEqual(diskFailed);
    await store.delete(inFirst.slice(1).map(idOf));
    for (let step = await store.compactOnce(); step.more; ) step = await store.compactOnce();
    expect(world.packs()).toContain(PACK_1);
    world.mend();
    for (let step = await store.compactOnce(); step.more; ) step = await store.compactOnce();
    expect(world.packs()).not.toContain(PACK_1);
    expect(store.has(idOf(0))).toBe(true);
    await store.get(idOf(0));
  });
});
