import { type ChunkId, type FileId, MeshError, silentLogger, systemClock } from "@hearthmesh/core";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { FaultyDisk } from "../testing/faulty-disk.js";
import type { ChunkHeader } from "../types.js";
import { chunkIdOf } from "./blake3.js";
import { openPackStore, type PackStore } from "./pack-store.js";

const PACK_BYTES_MAX = 3000;

/** Small numbers in, many different ones out: a test that fails must fail again. */
function seeded(seed: number): () => number {
  let state = seed | 0;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let value = Math.imul(state ^ (state >>> 15), state | 1);
    value ^= value + Math.imul(value ^ (value >>> 7), value | 61);
    return ((value ^ (value >>> 14)) >>> 0) / 2 ** 32;
  };
}

const chunks = Array.from({ length: 12 }, (_, index) => {
  const bytes = Buffer.alloc(40 + index * index * 10, `chunk ${index} `);
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

type Step =
  | { type: "put" | "delete"; chunk: number; wait: boolean }
  | { type: "compact" | "reopen"; wait: boolean }
  | { type: "power" | "kill" | "full" | "ioError"; ticks: number };

const stepArbitrary: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 10,
    arbitrary: fc.record({
      type: fc.constantFrom("put" as const, "put" as const, "delete" as const),
      chunk: fc.nat(chunks.length - 1),
      wait: fc.boolean(),
    }),
  },
  {
    weight: 3,
    arbitrary: fc.record({
      type: fc.constantFrom("compact" as const, "compact" as const, "reopen" as const),
      wait: fc.boolean(),
    }),
  },
  {
    weight: 2,
    arbitrary: fc.record({
      type: fc.constantFrom("power" as const, "kill" as const, "full" as const, "ioError" as const),
      ticks: fc.nat(14),
    }),
  },
);

async function compactAll(store: PackStore): Promise<void> {
  for (let step = await store.compactOnce(); step.more; ) step = await store.compactOnce();
}

/** What must be true of a chunk after any crash. */
type Expected = "present" | "absent" | "either";

class Run {
  readonly disk = new FaultyDisk();
  readonly expected = new Map<ChunkId, Expected>();
  readonly #random: () => number;
  readonly #open = new Set<Promise<unknown>>();
  #changes = new Map<ChunkId, number>();
  #store: PackStore | undefined;
  #nowMs = 0;

  constructor(seed: number) {
    this.#random = seeded(seed);
  }

  async open(): Promise<PackStore> {
    this.#store = await openPackStore({
      disk: this.disk.process(),
      // Every look at the clock is ten seconds later: the free space is asked each time.
      clock: { ...systemClock(), nowMs: () => 1, monotonicMs: () => (this.#nowMs += 10_000) },
      random: {
        bytes: (length) => Uint8Array.from({ length }, () => this.#random() * 256),
        float: this.#random,
      },
      log: silentLogger,
      capacityBytes: 1 << 20,
      reserveBytes: 0,
      packBytesMax: PACK_BYTES_MAX,
    });
    return this.#store;
  }

  async step(step: Step): Promise<void> {
    const store = this.#store ?? (await this.open());
    if ("ticks" in step) {
      await this.#disturb(step.type, step.ticks);
    } else if ("chunk" in step) {
      const chunk = chunks[step.chunk] as (typeof chunks)[0];
      const change =
        step.type === "put"
          ? store.put(chunk.header, [chunk.bytes])
          : store.delete([chunk.header.id]);
      await this.#follow(chunk.header.id, step.type, change, step.wait);
    } else if (step.type === "compact") {
      const compaction = compactAll(store).catch(() => undefined);
      this.#track(compaction);
      if (step.wait) await compaction;
    } else {
      await store.close();
      await this.#settle();
      // A pack that cannot be opened is left out; that has a test of its own.
      this.disk.onAction = () => undefined;
      await this.check(await this.open());
    }
  }

  async #follow(id: ChunkId, type: "put" | "delete", change: Promise<void>, wait: boolean) {
    const number = (this.#changes.get(id) ?? 0) + 1;
    this.#changes.set(id, number);
    this.expected.set(id, "either");
    const followed = change.then(
      () => {
        // A later change that is under way makes the outcome open again.
        if (this.#changes.get(id) !== number) return;
        this.expected.set(id, type === "put" ? "present" : "absent");
      },
      () => undefined,
    );
    this.#track(followed);
    if (wait) await followed;
  }

  #track(work: Promise<unknown>): void {
    this.#open.add(work);
    work.finally(() => this.#open.delete(work));
  }

  async #settle(): Promise<void> {
    await Promise.allSettled([...this.#open]);
  }

  async #disturb(type: "power" | "kill" | "full" | "ioError", ticks: number): Promise<void> {
    for (let tick = 0; tick < ticks; tick++) await Promise.resolve();
    if (type === "full" || type === "ioError") {
      let left = 1 + Math.floor(this.#random() * 3);
      const code = type === "full" ? "MESH_DISK_FULL" : "MESH_DISK_FAILED";
      this.disk.onAction = (action) => {
        const isHit = action === "write" || action === "sync" || action === "open";
        if (isHit && left-- > 0) throw new MeshError(code);
      };
      return;
    }
    if (type === "power") this.disk.losePower(() => this.#random() < 0.8);
    else this.disk.killProcess();
    this.disk.onAction = () => undefined;
    await this.#settle();
    await this.check(await this.open());
  }

  async check(store: PackStore): Promise<void> {
    const listed = new Set(store.list(undefined, 1000));
    for (const { header, bytes } of chunks) {
      const expected = this.expected.get(header.id) ?? "absent";
      if (expected !== "either") expect(listed.has(header.id)).toBe(expected === "present");
      if (!listed.has(header.id)) continue;
      const found = await store.get(header.id);
      expect(found.header).toEqual(header);
      expect(Buffer.compare(found.bytes, bytes)).toBe(0);
    }
    expect((await store.report()).corruptChunks).toBe(0);
    // What was found must stay, also when it had never been answered.
    for (const { header } of chunks) {
      this.expected.set(header.id, listed.has(header.id) ? "present" : "absent");
    }
  }

  async finish(): Promise<void> {
    await this.#settle();
    this.disk.onAction = () => undefined;
    this.disk.losePower(() => this.#random() < 0.8);
    await this.check(await this.open());
  }
}

describe("the pack store, when power is lost, writes tear and disks fail", () => {
  it("keeps every chunk that it acknowledged and serves nothing else", async () => {
    const steps = fc.array(stepArbitrary, { minLength: 5, maxLength: 100, size: "max" });
    await fc.assert(
      fc.asyncProperty(steps, fc.integer(), async (all, seed) => {
        const run = new Run(seed);
        for (const step of all) await run.step(step);
        await run.finish();
      }),
      { numRuns: 150 },
    );
  });
});
