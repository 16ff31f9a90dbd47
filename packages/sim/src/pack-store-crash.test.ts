/** The chunk store of a storage node on a disk that loses its power again and again. */
import { type ChunkHeader, chunkIdOf, openPackStore, type PackStore } from "@hearthmesh/collective";
import { type ChunkId, type FileId, isMeshError, silentLogger } from "@hearthmesh/core";
import { describe, expect, it } from "vitest";
import { contentOf } from "./content.js";
import { type SeededRandom, seededRandom } from "./seeded-random.js";
import { type VirtualClock, virtualClock } from "./virtual-clock.js";
import { VirtualDisk } from "./virtual-disk.js";

interface World {
  clock: VirtualClock;
  random: SeededRandom;
  disk: VirtualDisk;
  /** Put or deleted for certain, by version. */
  kept: Map<ChunkId, string>;
  deleted: Set<ChunkId>;
  next: number;
}

function open(world: World): Promise<PackStore> {
  const { clock, random, disk } = world;
  return openPackStore({
    disk: disk.mount(),
    clock,
    random: random.fork(`store ${world.next}`),
    log: silentLogger,
    capacityBytes: 64 << 20,
    reserveBytes: 0,
    packBytesMax: 256 * 1024,
  });
}

function header(id: ChunkId, sizeBytes: number): ChunkHeader {
  const fileId = "0".repeat(32) as FileId;
  return { v: 1, id, fileId, index: 0, owner: "spiffe://home.sim/person/a", atMs: 1, sizeBytes };
}

/** Writers and a remover at work until the power goes. */
function work(world: World, store: PackStore): void {
  const { random } = world;
  for (let writer = 0; writer < 4; writer++) {
    void (async () => {
      for (;;) {
        const version = `chunk ${world.next++}`;
        const bytes = contentOf(version, random.integer(1, 60_000));
        const id = chunkIdOf([bytes]);
        await store.put(header(id, bytes.length), [bytes]);
        world.kept.set(id, version);
        if (random.chance(0.3)) {
          const victim = random.pick([...world.kept.keys()]);
          world.kept.delete(victim);
          await store.delete([victim]);
          world.deleted.add(victim);
        }
      }
    })().catch(() => undefined);
  }
}

async function check(world: World, store: PackStore): Promise<void> {
  for (const [id, version] of world.kept) {
    const { bytes } = await store.get(id);
    expect(Buffer.compare(bytes, contentOf(version, bytes.length))).toBe(0);
  }
  for (const id of world.deleted) expect(store.has(id)).toBe(false);
}

async function liveThroughCrashes(seed: string, crashes: number, power: boolean): Promise<World> {
  const clock = virtualClock({ startMs: 0 });
  const random = seededRandom(seed);
  const disk = new VirtualDisk({ clock, random: random.fork("disk") });
  const world: World = { clock, random, disk, kept: new Map(), deleted: new Set(), next: 0 };
  for (let crash = 0; crash < crashes; crash++) {
    const store = await clock.runUntilSettled(open(world), 600_000);
    await clock.runUntilSettled(check(world, store), 600_000);
    work(world, store);
    await clock.runFor(random.integer(1, 60));
    if (power) disk.losePower();
    else disk.killProcess();
  }
  await clock.runUntilSettled(
    open(world).then((store) => check(world, store)),
    600_000,
  );
  return world;
}

describe("the chunk store on a simulated disk", () => {
  it("keeps acknowledged chunks through losses of power; deletes stay deleted", async () => {
    for (let seed = 0; seed < 12; seed++) {
      const world = await liveThroughCrashes(`power ${seed}`, 6, true);
      expect(world.next).toBeGreaterThan(20);
    }
  });

  it("keeps them when only the process dies", async () => {
    for (let seed = 0; seed < 4; seed++) await liveThroughCrashes(`kill ${seed}`, 6, false);
  });

  it("says so when a bit was flipped, and never gives wrong bytes", async () => {
    const world = await liveThroughCrashes("flips", 2, true);
    const { clock, disk, random } = world;
    const packs = disk.filePaths.filter((path) => disk.sizeOf(path) > 4096);
    for (let flip = 0; flip < 20; flip++) {
      const path = random.pick(packs);
      disk.flipBit(path, random.integer(0, disk.sizeOf(path) - 1));
    }
    const store = await clock.runUntilSettled(open(world), 600_000);
    let damaged = 0;
    for (const [id, version] of world.kept) {
      try {
        const { bytes } = await clock.runUntilSettled(store.get(id), 600_000);
        expect(Buffer.compare(bytes, contentOf(version, bytes.length))).toBe(0);
      } catch (error) {
        damaged++;
        const isHonest =
          isMeshError(error, "MESH_CHUNK_MISMATCH") || isMeshError(error, "MESH_CHUNK_NOT_FOUND");
        expect(isHonest).toBe(true);
      }
    }
    expect(damaged).toBeGreaterThan(0);
    expect(damaged).toBeLessThan(world.kept.size);
  });
});
