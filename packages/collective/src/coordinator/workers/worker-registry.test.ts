import { turns } from "@hearthmesh/core/testing";
import { put } from "@hearthmesh/store";
import { afterEach, describe, expect, it } from "vitest";
import { World } from "../testing/world.js";
import type { WorkerInspection } from "./worker.js";
import type { Progress, WorkerDefinition } from "./worker-definition.js";

let world: World;
afterEach(() => world.stop());

const HOUR_MS = 3_600_000;

function extra(run: WorkerDefinition["run"], more: Partial<WorkerDefinition> = {}) {
  const definition = { name: "extra", purpose: "is tested", intervalMs: HOUR_MS, run, ...more };
  return World.start({ nodes: 0, extraWorkers: () => [definition] });
}

async function seen(name = "extra"): Promise<WorkerInspection> {
  const { workers } = await world.call<{ workers: WorkerInspection[] }>("worker.list", {});
  const worker = workers.find((one) => one.name === name);
  if (worker === undefined) throw new Error(`there is no worker ${name}`);
  return worker;
}

const set = (change: object, name = "extra") => world.call("worker.set", { name, ...change });

describe("workers", () => {
  it("are all there, with a purpose and settings", async () => {
    world = await World.start();
    const { workers } = await world.call<{ workers: WorkerInspection[] }>("worker.list", {});
    const names = workers.map((worker) => worker.name);
    for (const name of ["repair", "repair-queue", "rebalance", "scrub", "garbage", "fsck"]) {
      expect(names).toContain(name);
    }
    for (const name of ["uploads", "trash", "usage"]) expect(names).toContain(name);
    expect(new Set(names).size).toBe(names.length);
    expect(workers.every((worker) => worker.purpose.length > 10)).toBe(true);
  });

  it("show what a run tells of itself while it is under way", async () => {
    let end = () => {};
    world = await extra(async (_signal, progress) => {
      progress.done(3);
      progress.error(1);
      progress.bytes(500);
      progress.at("/shared/x");
      progress.portion(0.25);
      await new Promise<void>((resolve) => {
        end = resolve;
      });
    });
    const { until } = await world.call<{ until: number }>("worker.run", { name: "extra" });
    expect(await seen()).toMatchObject({
      ...{ state: "running", done: 3, errors: 1, bytes: 500, runs: 0 },
      ...{ position: "/shared/x", portion: 0.25 },
    });
    end();
    await turns();
    const after = await seen();
    expect(after).toMatchObject({ state: "idle", runs: until, lastRun: { done: 3, bytes: 500 } });
    expect(after.position).toBeUndefined();
    expect(after.nextRunMs).toBe(world.clock.nowMs() + HOUR_MS);
  });

  it("keep what was set over a restart of the coordinator", async () => {
    let runs = 0;
    world = await extra(async () => {
      runs++;
    });
    await set({ intervalMs: 5_000, rateBytes: 50_000_000, tranquility: 2 });
    await set({ rateBytes: null });
    await world.restart();
    expect((await seen()).settings).toEqual({ paused: false, intervalMs: 5_000, tranquility: 2 });
    await world.clock.advance(11_000);
    expect(runs).toBe(2);
    await set({ paused: true });
    await world.restart();
    await world.clock.advance(60_000);
    expect([runs, (await seen()).state]).toEqual([2, "paused"]);
    await world.call("worker.run", { name: "extra" });
    await turns();
    expect(runs).toBe(3);
    await set({ paused: false });
    await world.clock.advance(6_000);
    expect(runs).toBe(4);
  });

  it("wait at their next step while they are paused, but for what a person asks", async () => {
    const told: number[] = [];
    let go = () => {};
    world = await extra(async (signal, progress: Progress) => {
      for (let step = 0; step < 3; step++) {
        told.push(step);
        await new Promise<void>((resolve) => {
          go = resolve;
          signal.addEventListener("abort", () => resolve(), { once: true });
        });
        await progress.pace(0);
      }
    });
    await set({ intervalMs: 1_000 });
    await world.clock.advance(1_000);
    await set({ paused: true });
    go();
    await world.clock.advance(10_000);
    expect([told, (await seen()).state]).toEqual([[0], "paused"]);
    await set({ paused: false });
    await world.clock.advance(1_000);
    expect(told).toEqual([0, 1]);
    await set({ paused: true });
    go();
    await world.clock.advance(10_000);
    expect(told).toEqual([0, 1]);
    await world.call("worker.run", { name: "extra" });
    await world.clock.advance(1_000);
    expect(told).toEqual([0, 1, 2]);
  });

  it("tell of their last error, and go on", async () => {
    world = await extra(async () => Promise.reject(new Error("the moon is full")));
    await world.call("worker.run", { name: "extra" });
    await turns();
    expect(await seen()).toMatchObject({
      ...{ errors: 1, runs: 1, state: "idle" },
      lastError: { code: "MESH_INTERNAL", message: "the moon is full" },
    });
  });

  it("that keep their history run when they are due, whoever leads", async () => {
    let runs = 0;
    const run = async () => {
      runs++;
    };
    world = await extra(run, { keepsHistory: true });
    await world.clock.advance(HOUR_MS);
    expect(runs).toBe(1);
    // Without its history, a leader that changes every half hour would never come to it.
    for (let round = 0; round < 4; round++) {
      await world.clock.advance(HOUR_MS / 2);
      await world.restart();
    }
    await world.clock.advance(120_000);
    expect(runs).toBeGreaterThanOrEqual(2);
    expect((await seen()).lastRun).toMatchObject({ errors: 0 });
  });

  it("refuse settings that make no sense, and names that are not there", async () => {
    world = await World.start({ nodes: 0 });
    const bad = [{ intervalMs: 1 }, { rateBytes: 0 }, { tranquility: -1 }, { paused: "yes" }];
    for (const change of bad) {
      await expect(set(change, "scrub")).rejects.toMatchObject({ code: "MESH_BAD_REQUEST" });
    }
    await expect(set({ paused: true }, "x/../y")).rejects.toMatchObject({ code: "MESH_NOT_FOUND" });
    expect(await world.rows("w/")).toEqual([]);
  });
});

describe("a hold", () => {
  it("keeps the collector and the trash from deleting until it is over", async () => {
    world = await World.start({ trashRetentionMs: 1, intervals: { garbageGraceMs: 0 } });
    await world.put("/a", new Uint8Array(5_000).fill(1));
    await world.call("file.remove", { path: "/a" });
    await world.put("/b", new Uint8Array(5_000).fill(2));
    await world.call("file.remove", { path: "/b", permanent: true });
    await world.clock.advance(1_000);
    // What a restore of the store leaves behind (`recovery/hold-book.ts`).
    await world.store.transact({ success: [put("store/restored", new Uint8Array([1]))] });
    await world.restart();
    for (const name of ["trash", "garbage"]) await world.runWorker(name);
    expect(world.nodes[0]?.chunks.size).toBe(2);
    expect([await world.rows("t/"), await world.rows("d/")]).toMatchObject([
      { length: 1 },
      { length: 1 },
    ]);
    expect((await seen("garbage")).done).toBe(0);
    await world.runWorker("lost-found");
    for (const name of ["trash", "garbage", "garbage"]) await world.runWorker(name);
    expect([await world.rows("t/"), await world.rows("d/")]).toEqual([[], []]);
  });
});
