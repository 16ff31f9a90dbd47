import { type Disk, isMeshError } from "@hearthmesh/core";
import { describe, expect, it } from "vitest";
import { seededRandom } from "./seeded-random.js";
import { type VirtualClock, virtualClock } from "./virtual-clock.js";
import { VirtualDisk, type VirtualDiskOptions } from "./virtual-disk.js";
import { SECTOR_BYTES } from "./virtual-file.js";

function setUp(options: Partial<VirtualDiskOptions> & { seed?: string } = {}) {
  const clock = virtualClock({ startMs: 0 });
  const random = seededRandom(options.seed ?? "disk");
  const disk = new VirtualDisk({ clock, random, ...options });
  const run = <Value>(work: Promise<Value>) => clock.runUntilSettled(work, 60_000);
  return { clock, disk, run };
}

async function writeFile(disk: Disk, path: string, bytes: Uint8Array, sync: boolean) {
  const file = await disk.open(path, { create: true });
  await file.write(0, [bytes]);
  if (sync) {
    await file.sync();
    await disk.syncDirectory("");
  }
  return file;
}

const filled = (length: number, value: number) => new Uint8Array(length).fill(value);

describe("VirtualDisk as a disk", () => {
  it("reads what was written, with holes as zeros and a short read at the end", async () => {
    const { disk, run } = setUp();
    const file = await run(disk.mount().open("a", { create: true }));
    await run(file.write(5000, [filled(3, 1), filled(2, 2)]));
    expect([...(await run(file.read(4998, 100)))]).toEqual([0, 0, 1, 1, 1, 2, 2]);
    expect(await run(file.sizeBytes())).toBe(5005);
    await run(file.truncate(5001));
    await run(file.truncate(5004));
    expect([...(await run(file.read(4999, 100)))]).toEqual([0, 1, 0, 0, 0]);
  });

  it("keeps names: directories, lists, renames, removals", async () => {
    const { disk, run } = setUp();
    const mount = disk.mount();
    await run(mount.makeDirectory("packs/old"));
    await run(mount.open("packs/b", { create: true }));
    await run(mount.open("packs/a", { create: true }));
    expect(await run(mount.list("packs"))).toEqual(["a", "b", "old"]);
    expect(await run(mount.list("nowhere"))).toEqual([]);
    await run(mount.rename("packs/b", "packs/a"));
    expect(await run(mount.list("packs"))).toEqual(["a", "old"]);
    await run(mount.remove("packs/a"));
    expect(await run(mount.exists("packs/a"))).toBe(false);
    await expect(run(mount.open("packs/a"))).rejects.toMatchObject({ code: "MESH_DISK_FAILED" });
    await expect(run(mount.open("missing/a", { create: true }))).rejects.toThrow("not a directory");
  });

  it("is slow when told so", async () => {
    const { clock, disk, run } = setUp();
    const file = await run(disk.mount().open("a", { create: true }));
    const before = clock.monotonicMs();
    await run(file.sync());
    const normalMs = clock.monotonicMs() - before;
    disk.setSlowFactor(100);
    await run(file.sync());
    expect(clock.monotonicMs() - before - normalMs).toBeCloseTo(100 * normalMs);
  });
});

describe("VirtualDisk on a bad day", () => {
  it("keeps what was synced when the power goes", async () => {
    const { disk, run } = setUp();
    await run(writeFile(disk.mount(), "a", filled(10_000, 7), true));
    disk.losePower();
    const file = await run(disk.mount().open("a"));
    expect(await run(file.read(0, 20_000))).toEqual(filled(10_000, 7));
  });

  it("loses or tears, sector by sector, what was not", async () => {
    const outcomes = new Set<string>();
    for (let seed = 0; seed < 20; seed++) {
      const { disk, run } = setUp({ seed: `tear ${seed}` });
      const file = await run(writeFile(disk.mount(), "a", filled(4096, 1), true));
      await run(file.write(0, [filled(4096, 2)]));
      disk.losePower();
      const bytes = await run((await run(disk.mount().open("a"))).read(0, 4096));
      const sectors = Array.from({ length: 8 }, (_, index) => bytes[index * SECTOR_BYTES]);
      for (const [index, value] of sectors.entries()) {
        const sector = bytes.subarray(index * SECTOR_BYTES, (index + 1) * SECTOR_BYTES);
        expect(sector).toEqual(filled(SECTOR_BYTES, value ?? -1));
      }
      outcomes.add(sectors.join(""));
    }
    expect(outcomes.size).toBeGreaterThan(5);
  });

  it("may forget a name whose directory was not synced, and never half of a rename", async () => {
    const outcomes = new Set<string>();
    for (let seed = 0; seed < 20; seed++) {
      const { disk, run } = setUp({ seed: `names ${seed}` });
      const mount = disk.mount();
      await run(writeFile(mount, "old", filled(10, 1), true));
      await run(mount.rename("old", "new"));
      disk.losePower();
      outcomes.add((await run(disk.mount().list(""))).join());
    }
    expect([...outcomes].sort()).toEqual(["new", "old"]);
  });

  it("makes durable what was written before the sync began, and no more", async () => {
    let survived = 0;
    for (let seed = 0; seed < 20; seed++) {
      const { disk, run } = setUp({ seed: `during ${seed}` });
      const file = await run(writeFile(disk.mount(), "a", filled(512, 1), true));
      await run(file.write(0, [filled(512, 2)]));
      const syncing = file.sync();
      const late = file.write(512, [filled(512, 3)]);
      await run(Promise.all([syncing, late]));
      disk.losePower();
      const bytes = await run((await run(disk.mount().open("a"))).read(0, 2000));
      expect(bytes.subarray(0, 512)).toEqual(filled(512, 2));
      if (bytes.length === 1024 && bytes[512] === 3) survived++;
    }
    expect(survived).toBeLessThan(20);
  });

  it("keeps everything when only the process dies, and never answers the dead", async () => {
    const { clock, disk, run } = setUp();
    const file = await run(writeFile(disk.mount(), "a", filled(100, 1), false));
    let answered = false;
    void file.sync().then(() => {
      answered = true;
    });
    disk.killProcess();
    await clock.runFor(1000);
    expect(answered).toBe(false);
    disk.losePower();
    expect(disk.sizeOf("a") === 0 || disk.sizeOf("a") === 100).toBe(true);
  });

  it("fills up with MESH_DISK_FULL and can be given space again", async () => {
    const { disk, run } = setUp({ capacityBytes: 8192 });
    const mount = disk.mount();
    const file = await run(mount.open("a", { create: true }));
    await run(file.write(0, [filled(8192, 1)]));
    await expect(run(file.write(8192, [filled(1, 1)]))).rejects.toMatchObject({
      code: "MESH_DISK_FULL",
    });
    expect(await run(mount.freeBytes())).toBe(0);
    disk.setCapacity(20_000);
    await run(file.write(8192, [filled(1, 1)]));
  });

  it("fails as often as told, and flips bits that stay flipped", async () => {
    const { disk, run } = setUp();
    const file = await run(writeFile(disk.mount(), "a", filled(100, 0), true));
    disk.setErrorRates({ read: 1 });
    const error = await run(file.read(0, 1)).catch((reason: unknown) => reason);
    expect(isMeshError(error, "MESH_DISK_FAILED")).toBe(true);
    disk.setErrorRates({ read: 0 });
    expect(disk.flipBit("a", 50)).toBe(true);
    expect(disk.flipBit("a", 100)).toBe(false);
    disk.losePower();
    const bytes = await run((await run(disk.mount().open("a"))).read(0, 100));
    expect(bytes.filter((byte) => byte !== 0)).toHaveLength(1);
  });

  it("is empty after it was replaced", async () => {
    const { disk, run } = setUp();
    await run(writeFile(disk.mount(), "a", filled(100, 0), true));
    disk.wipe();
    expect(await run(disk.mount().list(""))).toEqual([]);
    expect(disk.usedBytes).toBe(0);
  });
});

describe("the same seed", () => {
  it("loses the same bytes", async () => {
    const outcome = async () => {
      const {
        disk,
        run,
      }: { disk: VirtualDisk; run: ReturnType<typeof setUp>["run"]; clock: VirtualClock } = setUp({
        seed: "same",
      });
      const file = await run(writeFile(disk.mount(), "a", filled(100_000, 1), true));
      await run(file.write(0, [filled(100_000, 2)]));
      disk.losePower();
      const bytes = await run((await run(disk.mount().open("a"))).read(0, 200_000));
      return Buffer.from(bytes).toString("base64");
    };
    expect(await outcome()).toBe(await outcome());
  });
});
