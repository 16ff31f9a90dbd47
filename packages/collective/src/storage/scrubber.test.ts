import {
  type ChunkId,
  type FileId,
  limits,
  type Random,
  silentLogger,
  sleep,
} from "@hearthmesh/core";
import { ManualClock, turns } from "@hearthmesh/core/testing";
import * as fc from "fast-check";
import { afterEach, describe, expect, it } from "vitest";
import { FaultyDisk } from "../testing/faulty-disk.js";
import type { ChunkHeader } from "../types.js";
import { chunkIdOf } from "./blake3.js";
import { openPackStore, type PackStore } from "./pack-store.js";
import { believable, portionAt, SCRUB_PERIOD_MS, scrubRestMs } from "./scrub-plan.js";
import { Scrubber } from "./scrubber.js";

const fileId = "0".repeat(32) as FileId;
const owner = "spiffe://home.alice/person/alice@home.alice";
const SIZE_BYTES = 4_000;

function chunkOf(seed: number): { header: ChunkHeader; bytes: Buffer } {
  const bytes = Buffer.alloc(SIZE_BYTES, `chunk ${seed} `);
  const id = chunkIdOf([bytes]);
  return { bytes, header: { v: 1, id, fileId, index: 0, owner, atMs: 1, sizeBytes: SIZE_BYTES } };
}

const chunks = Array.from({ length: 20 }, (_, seed) => chunkOf(seed));

interface Node {
  readonly disk: FaultyDisk;
  readonly clock: ManualClock;
  store: PackStore;
  scrubber: Scrubber;
  busy: boolean;
  /** By the clock of the test. */
  readMs: number;
  read: ChunkId[];
}

const opened: Node[] = [];
afterEach(async () => {
  for (const node of opened.splice(0)) await node.scrubber.stop();
});

async function openNode(before?: Node): Promise<Node> {
  const { disk, clock } = before ?? { disk: new FaultyDisk(), clock: new ManualClock() };
  const store = await openPackStore({
    disk: disk.process(),
    ...{ clock, log: silentLogger, capacityBytes: 1 << 30, reserveBytes: 0 },
    onDamaged: (id) => node.scrubber.damaged(id),
  });
  const read: ChunkId[] = [];
  const watched: PackStore = Object.assign(Object.create(store), {
    get: async (id: ChunkId) => {
      read.push(id);
      if (node.readMs > 0) await sleep(clock, node.readMs);
      return store.get(id);
    },
    list: (after: ChunkId | undefined, limit: number) => store.list(after, limit),
    has: (id: ChunkId) => store.has(id),
    report: () => store.report(),
  });
  const random: Random = { bytes: (length) => new Uint8Array(length).fill(0x80), float: () => 0 };
  const scrubber: Scrubber = new Scrubber({
    ...{ chunkStore: watched, disk: disk.process(), clock, random, log: silentLogger, sleep },
    busy: () => node.busy,
  });
  const node: Node = { disk, clock, store, scrubber, busy: false, readMs: 0, read };
  opened.push(node);
  return node;
}

async function filled(): Promise<Node> {
  const node = await openNode();
  for (const { header, bytes } of chunks) await node.store.put(header, [bytes]);
  return node;
}

async function until(holds: () => boolean): Promise<void> {
  for (let round = 0; round < 500 && !holds(); round++) await turns(2);
  expect(holds()).toBe(true);
}

const sorted = chunks.map(({ header }) => header.id).sort();

describe("the plan", () => {
  it("ends every pass within the period, whatever it began late", () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 2_000 }),
        fc.integer({ min: 0, max: 29 }),
        (count, awayDays) => {
          const dayMs = 86_400_000;
          let nowMs = awayDays * dayMs;
          const pass = { v: 1 as const, passStartedAtMs: 0, verified: 0, damaged: 0, bytes: 0 };
          for (let at = 0; at < count; at++) {
            const place = Math.floor((at / count) * 16 ** 12);
            const position = place.toString(16).padStart(12, "0").padEnd(64, "0") as ChunkId;
            const restMs = scrubRestMs({ ...pass, position }, count, nowMs);
            expect(restMs).toBeGreaterThanOrEqual(0);
            nowMs += restMs;
          }
          expect(nowMs).toBeLessThan(SCRUB_PERIOD_MS);
        },
      ),
      { numRuns: 50 },
    );
  });

  it("knows the share of a pass from the place alone, and no start in the future", () => {
    expect(portionAt(undefined)).toBe(0);
    expect(portionAt("8".padEnd(64, "0") as ChunkId)).toBe(0.5);
    const record = { v: 1 as const, passStartedAtMs: 9_000, verified: 0, damaged: 0, bytes: 0 };
    expect(believable(record, 5).passStartedAtMs).toBe(5);
  });
});

describe("the scrub of a node", () => {
  it("verifies every chunk in order from a random place, and goes on after a restart", async () => {
    const node = await filled();
    await node.scrubber.start();
    await node.clock.advance(5 * 60_000);
    await node.scrubber.stop();
    const first = [...node.read];
    expect(first.length).toBeGreaterThan(3);
    expect(first.length).toBeLessThan(10);
    const behind = sorted.filter((id) => id > "80".repeat(32));
    expect(first).toEqual(behind.slice(0, first.length));
    await node.store.close();
    const again = await openNode(node);
    await again.scrubber.start();
    await again.clock.advance(30 * 60_000);
    expect(again.read[0]).toBe(behind[first.length] ?? sorted[0]);
    expect(new Set([...first, ...again.read]).size).toBe(chunks.length);
    expect(again.scrubber.serve({}).lastPassAtMs).toBeGreaterThan(0);
  });

  it("takes a damaged chunk out, keeps its bytes, names it until it is there again", async () => {
    const node = await filled();
    node.disk.damage("packs/0000000001.pack", 2_000);
    await node.scrubber.start();
    node.scrubber.serve({ run: true });
    await until(() => node.scrubber.serve({}).passes === 1);
    const { missing, lastFull } = node.scrubber.serve({});
    expect(lastFull).toMatchObject({ verified: 19, damaged: 1 });
    expect(missing).toHaveLength(1);
    const [id] = missing as [ChunkId];
    expect(node.store.has(id)).toBe(false);
    await until(() => node.disk.paths().includes(`quarantine/${id}.bad`));
    const whole = chunks.find((one) => one.header.id === id);
    await node.store.put(whole?.header as ChunkHeader, [whole?.bytes as Buffer]);
    expect(node.scrubber.serve({}).missing).toEqual([]);
  });

  it("names what a reader found damaged, without waiting for its turn", async () => {
    const node = await filled();
    node.disk.damage("packs/0000000001.pack", 2_000);
    const results = await Promise.allSettled(chunks.map(({ header }) => node.store.get(header.id)));
    expect(results.filter((one) => one.status === "rejected")).toHaveLength(1);
    expect(node.scrubber.serve({}).missing).toHaveLength(1);
  });

  it("rests while it is paused, but for a pass that is asked for", async () => {
    const node = await filled();
    node.scrubber.serve({ settings: { paused: true } });
    await node.scrubber.start();
    await node.clock.advance(600_000);
    expect(node.read).toEqual([]);
    node.scrubber.serve({ run: true });
    await until(() => node.scrubber.serve({}).passes === 1);
    expect(node.read.sort()).toEqual(sorted);
  });

  it("keeps to its rate", async () => {
    const node = await filled();
    // Half of all bytes in a second.
    const rateBytes = (SIZE_BYTES * chunks.length) / 2;
    node.scrubber.serve({ settings: { paused: false, rateBytes }, run: true });
    await node.scrubber.start();
    await node.clock.advance(1_000);
    expect(node.scrubber.serve({}).full).toBe(true);
    expect(node.read.length).toBeGreaterThanOrEqual(10);
    expect(node.read.length).toBeLessThanOrEqual(14);
    await node.clock.advance(1_500);
    expect(node.scrubber.serve({}).passes).toBe(1);
  });

  it("takes its rests between chunks for no work that would have to be rested from", async () => {
    const node = await filled();
    node.busy = true;
    await node.scrubber.start();
    await node.clock.advance(10 * 60_000);
    expect(node.read.length).toBeGreaterThanOrEqual(9);
  });

  it("leaves most of the time to those who use the files, when a person asks too", async () => {
    for (const busy of [false, true]) {
      const node = await filled();
      node.busy = busy;
      node.readMs = 10;
      node.scrubber.serve({ run: true });
      await node.scrubber.start();
      await node.clock.advance(200);
      // All reads take 100 ms, and four times as long a rest behind them.
      expect(node.scrubber.serve({}).passes).toBe(busy ? 0 : 1);
      await node.clock.advance(400);
      expect(node.scrubber.serve({}).passes).toBe(1);
    }
  });

  it("sets a bounded number of damaged records aside", async () => {
    const node = await openNode();
    const many = Array.from({ length: limits.QUARANTINE_CHUNKS_MAX + 5 }, (_, at) => chunkOf(at));
    for (const { header, bytes } of many) await node.store.put(header, [bytes]);
    const head = 1_000;
    for (let at = 0; at < many.length; at++) {
      node.disk.damage("packs/0000000001.pack", head + at * (SIZE_BYTES + 100));
    }
    for (const { header } of many) await node.store.get(header.id).catch(() => undefined);
    await node.store.close();
    const kept = node.disk.paths().filter((path) => path.startsWith("quarantine/"));
    expect(kept.length).toBeGreaterThan(0);
    expect(kept.length).toBeLessThanOrEqual(limits.QUARANTINE_CHUNKS_MAX);
    expect((await openNode(node)).store.list(undefined, 1_000).length).toBeLessThan(many.length);
  });
});
