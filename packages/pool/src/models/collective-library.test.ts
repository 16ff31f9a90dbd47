/** Pulls: what is missing, once; what is damaged, again; and what happens without room. */
import { randomBytes } from "node:crypto";
import { closeSync, openSync, readFileSync, statSync, writeSync } from "node:fs";
import { afterEach, describe, expect, it } from "vitest";
import { MODEL_CHUNK_BYTES } from "./limits.js";
import { MemoryModels, ModelsBed, putRandom } from "./testing/memory-models.js";

const MIB = MODEL_CHUNK_BYTES;
const beds: ModelsBed[] = [];
const never = new AbortController().signal;

afterEach(async () => {
  for (const bed of beds.splice(0)) await bed.remove();
});

function bedOf(...options: ConstructorParameters<typeof ModelsBed>): ModelsBed {
  const bed = new ModelsBed(...options);
  beds.push(bed);
  return bed;
}

const failure = (code: string) => expect.objectContaining({ code });
const ranges = (...pairs: [number, number][]) => pairs.map(([from, to]) => ({ from, to }));

describe("a pull", () => {
  it("fetches the chunks of the ranges, and later only what is missing", async () => {
    const bed = bedOf();
    const model = putRandom(bed.files, "big", 9 * MIB + 77);
    const progress: number[] = [];
    const wanted = ranges([10, 20], [3 * MIB - 1, 3 * MIB + 1], [9 * MIB, model.sizeBytes]);
    const path = await bed.library.ensure(
      model,
      wanted,
      ({ doneBytes, totalBytes }) => progress.push(doneBytes / totalBytes),
      never,
    );
    expect([...bed.files.chunksRead].sort()).toEqual([0, 2, 3, 9]);
    expect(progress.at(-1)).toBe(1);
    const content = bed.files.kept.get("big")?.content;
    expect(statSync(path).size).toBe(model.sizeBytes);
    expect(readFileSync(path).subarray(9 * MIB)).toEqual(content?.subarray(9 * MIB));
    const whole = ranges([0, model.sizeBytes]);
    await bed.library.ensure(model, whole, () => undefined, never);
    expect([...bed.files.chunksRead].sort()).toEqual([0, 1, 2, 3, 4, 5, 6, 7, 8, 9]);
    expect(readFileSync(path).equals(content ?? new Uint8Array())).toBe(true);
    expect(bed.library.stats.pulledBytes).toBe(model.sizeBytes);
  });

  it("is one for all who ask at the same time", async () => {
    const bed = bedOf();
    const model = putRandom(bed.files, "big", 6 * MIB);
    const asks = [
      ranges([0, 4 * MIB]),
      ranges([2 * MIB, 6 * MIB]),
      ranges([0, 6 * MIB]),
      ranges([5, 6]),
    ];
    await Promise.all(
      asks.map((wanted) => bed.library.ensure(model, wanted, () => undefined, never)),
    );
    expect([...bed.files.chunksRead].sort()).toEqual([0, 1, 2, 3, 4, 5]);
  });

  it("is taken over when the one who fetched was cancelled", async () => {
    const bed = bedOf();
    const model = putRandom(bed.files, "big", 3 * MIB);
    let open: () => void = () => undefined;
    bed.files.gate = new Promise((resolve) => {
      open = resolve;
    });
    const stop = new AbortController();
    const whole = ranges([0, model.sizeBytes]);
    const first = bed.library.ensure(model, whole, () => undefined, stop.signal);
    const second = bed.library.ensure(model, whole, () => undefined, never);
    stop.abort(new Error("enough"));
    open();
    await expect(first).rejects.toThrow("enough");
    const path = await second;
    expect(readFileSync(path).equals(bed.files.kept.get("big")?.content ?? Buffer.of())).toBe(true);
  });

  it("goes on after breaks, and in another process", async () => {
    const bed = bedOf();
    const model = putRandom(bed.files, "big", 5 * MIB);
    bed.files.breaks = 2;
    await bed.library.ensure(model, ranges([0, 3 * MIB]), () => undefined, never);
    expect([...bed.files.chunksRead].sort()).toEqual([0, 1, 2]);
    // As after SIGKILL: nothing was closed.
    const next = bedOf(bed.files, { directory: bed.directory });
    await next.library.ensure(model, ranges([0, 5 * MIB]), () => undefined, never);
    expect([...bed.files.chunksRead].sort()).toEqual([0, 1, 2, 3, 4]);
  });

  it("fetches again what the disk damaged", async () => {
    const bed = bedOf();
    const model = putRandom(bed.files, "big", 3 * MIB);
    const whole = ranges([0, model.sizeBytes]);
    const path = await bed.library.ensure(model, whole, () => undefined, never);
    await bed.close();
    const file = openSync(path, "r+");
    writeSync(file, Buffer.from("rot"), 0, 3, MIB + 5);
    closeSync(file);
    const next = bedOf(bed.files, { directory: bed.directory });
    bed.files.chunksRead.length = 0;
    await next.library.ensure(model, whole, () => undefined, never);
    expect(bed.files.chunksRead).toEqual([1]);
    expect(readFileSync(path).equals(bed.files.kept.get("big")?.content ?? Buffer.of())).toBe(true);
  });

  it("refuses content that is not what the record speaks of", async () => {
    const bed = bedOf();
    const model = putRandom(bed.files, "big", 2 * MIB);
    const kept = bed.files.kept.get("big");
    bed.files.kept.set("big", { ...kept, content: randomBytes(2 * MIB) });
    const whole = ranges([0, model.sizeBytes]);
    const pull = () => bed.library.ensure(model, whole, () => undefined, never);
    await expect(pull()).rejects.toEqual(failure("MESH_MODEL_DAMAGED"));
    bed.files.kept.set("big", { ...kept, hashes: randomBytes(64) });
    const other = bedOf(bed.files);
    const again = () => other.library.ensure(model, whole, () => undefined, never);
    await expect(again()).rejects.toEqual(failure("MESH_MODEL_DAMAGED"));
  });
});

describe("room for local copies", () => {
  it("is made by what was used longest ago, and never by what is loaded", async () => {
    const files = new MemoryModels();
    const loaded = putRandom(files, "loaded", 2 * MIB);
    const bed = bedOf(files, { bytesMax: 7 * MIB, isLoaded: (id) => id === loaded.id });
    const old = putRandom(files, "old", 2 * MIB);
    const recent = putRandom(files, "recent", 2 * MIB);
    for (const model of [loaded, old, recent]) {
      await bed.library.ensure(model, ranges([0, 2 * MIB]), () => undefined, never);
    }
    const next = putRandom(files, "next", 2 * MIB);
    await bed.library.ensure(next, ranges([0, 2 * MIB]), () => undefined, never);
    const sizes = await bed.library.localBytes();
    expect([...sizes.keys()].sort()).toEqual([loaded.id, recent.id, next.id].sort());
    expect(bed.library.stats.removedCopies).toBe(1);
    const huge = putRandom(files, "huge", 6 * MIB);
    const pull = bed.library.ensure(huge, ranges([0, 6 * MIB]), () => undefined, never);
    await expect(pull).rejects.toEqual(failure("MESH_DISK_FULL"));
    expect([...(await bed.library.localBytes()).keys()]).toContain(loaded.id);
  });

  it("is not taken from a disk that is nearly full", async () => {
    const bed = bedOf(undefined, { freeBytes: () => 200 * MIB });
    const model = putRandom(bed.files, "big", 2 * MIB);
    const pull = bed.library.ensure(model, ranges([0, 5]), () => undefined, never);
    await expect(pull).rejects.toEqual(failure("MESH_DISK_FULL"));
  });
});

describe("the library", () => {
  it("finds by name, id and the beginning of an id", async () => {
    const bed = bedOf();
    const model = putRandom(bed.files, "big", 200);
    for (const text of ["big", model.id, model.id.slice(0, 8)]) {
      expect((await bed.library.get(text, never)).name).toBe("big");
    }
    for (const text of ["", "bi", model.id.slice(0, 7), "\0".repeat(500)]) {
      await expect(bed.library.get(text, never)).rejects.toEqual(failure("MESH_MODEL_UNKNOWN"));
    }
  });

  it("leaves out records that nobody can read, and those under another name", async () => {
    const bed = bedOf();
    const model = putRandom(bed.files, "big", 200);
    bed.files.kept.set("broken", { record: Buffer.from("{") });
    const { record = Buffer.of() } = bed.files.kept.get("big") ?? {};
    bed.files.kept.set("false", { record });
    expect(await bed.library.list(never)).toEqual([model]);
  });

  it("works with what it knows while the collective is away", async () => {
    const bed = bedOf();
    const model = putRandom(bed.files, "big", 2 * MIB);
    await bed.library.ensure(model, ranges([0, MIB]), () => undefined, never);
    bed.files.isAway = true;
    const next = bedOf(bed.files, { directory: bed.directory });
    expect((await next.library.get("big", never)).id).toBe(model.id);
    await next.library.ensure(model, ranges([0, MIB]), () => undefined, never);
  });

  it("removes a model, and the copy with its last name", async () => {
    const bed = bedOf();
    const content = randomBytes(MIB);
    const one = putRandom(bed.files, "one", MIB, content);
    putRandom(bed.files, "two", MIB, content);
    await bed.library.ensure(one, ranges([0, MIB]), () => undefined, never);
    await bed.library.remove("one", never);
    expect((await bed.library.localBytes()).has(one.id)).toBe(true);
    await bed.library.remove("two", never);
    expect((await bed.library.localBytes()).has(one.id)).toBe(false);
    await expect(bed.library.remove("one", never)).rejects.toEqual(failure("MESH_MODEL_UNKNOWN"));
  });
});
