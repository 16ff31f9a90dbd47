/** The disk of a node itself: when it is filling, and what the node does about it. */
import { randomBytes } from "node:crypto";
import { existsSync } from "node:fs";
import { appendFile, mkdir, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { chunkIdOf, fileDisk, openPackStore, type PackStore } from "@hearthmesh/collective";
import { type FileId, silentLogger, systemRandom } from "@hearthmesh/core";
import { ManualClock } from "@hearthmesh/core/testing";
import type { Fact, Symptom, SymptomKind } from "@hearthmesh/healing";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { HomeDiskMonitor, homeDiskId } from "./home-disk.js";
import { trimLogs } from "./home-room.js";
import { LOG_CUT_BYTES_MIN, LOG_KEPT_BYTES } from "./limits.js";
import { shedDisk } from "./shed-disk.js";

const GIB = 2 ** 30;
const signal = new AbortController().signal;
let home: string;
let clock: ManualClock;
beforeEach(async () => {
  home = await mkdtemp(join(tmpdir(), "hearthmesh-own-disk-"));
  clock = new ManualClock();
});
afterEach(() => rm(home, { recursive: true, force: true }));

const verdict = (facts: readonly Fact[], symptom: SymptomKind) =>
  facts.find((fact) => fact.symptom === symptom)?.verdict;

describe("the disk under a home", () => {
  function monitor(space: { freeBytes: number; totalBytes: number }) {
    const told: string[] = [];
    const options = { clock, nodeId: "b", nodeName: "b", space: async () => space };
    const made = new HomeDiskMonitor({ ...options, onRoom: () => told.push("room") });
    const look = () => {
      clock.pass(5_000);
      return made.look();
    };
    return { look, told, space };
  }

  it.each([
    ["a tenth of a large disk is room enough", 4096 * GIB, 200 * GIB, "well", "well"],
    ["a small disk that is half empty is well", 16 * GIB, 8 * GIB, "well", "well"],
    ["a small disk with little left is filling", 64 * GIB, 5 * GIB, "ill", "well"],
    ["one with hardly anything is full", 64 * GIB, 0.5 * GIB, "ill", "ill"],
  ])("%s", async (_text, totalBytes, freeBytes, filling, full) => {
    const facts = await monitor({ totalBytes, freeBytes }).look();
    expect(verdict(facts, "disk-filling")).toBe(filling);
    expect(verdict(facts, "disk-full")).toBe(full);
  });

  it("has to have clearly more room before it counts as well again", async () => {
    const { look, space, told } = monitor({ totalBytes: 100 * GIB, freeBytes: 0.9 * GIB });
    expect(verdict(await look(), "disk-full")).toBe("ill");
    space.freeBytes = 1.1 * GIB;
    expect(verdict(await look(), "disk-full")).toBe("ill");
    expect(told).toEqual([]);
    space.freeBytes = 1.3 * GIB;
    expect(verdict(await look(), "disk-full")).toBe("well");
    expect(told).toEqual(["room"]);
    space.freeBytes = 1.1 * GIB;
    expect(verdict(await look(), "disk-full")).toBe("well");
  });

  it("asks the file system every few seconds only", async () => {
    let asked = 0;
    const space = async () => {
      asked++;
      return { freeBytes: GIB, totalBytes: GIB };
    };
    const options = { clock, nodeId: "b", nodeName: "b", space, onRoom: () => undefined };
    const made = new HomeDiskMonitor(options);
    for (let second = 0; second < 10; second++) {
      await made.look();
      clock.pass(1_000);
    }
    expect(asked).toBe(2);
  });
});

describe("what a node does about its disk", () => {
  let chunks: PackStore;
  const symptom = (kind: SymptomKind, id = homeDiskId("b")): Symptom => ({
    ...{ kind, severity: "warning", sinceMs: 0, evidence: [], values: {} },
    subject: { type: "disk", id, name: "the disk of b" },
  });
  const remedy = () => shedDisk({ home, nodeId: "b", nodeName: "b", chunks, member: undefined });

  async function put(): Promise<ReturnType<typeof chunkIdOf>> {
    const bytes = randomBytes(1 << 20);
    const id = chunkIdOf([bytes]);
    const header = { v: 1 as const, id, fileId: "0".repeat(32) as FileId, index: 0, owner: "" };
    await chunks.put({ ...header, atMs: 0, sizeBytes: bytes.length }, [bytes]);
    return id;
  }

  beforeEach(async () => {
    chunks = await openPackStore({
      ...{ disk: fileDisk(join(home, "chunks")), clock, random: systemRandom() },
      ...{ log: silentLogger, capacityBytes: GIB, packBytesMax: 2 << 20 },
    });
  });
  afterEach(() => chunks.close());

  it("gives back what was deleted, and takes chunks while it is only filling", async () => {
    const ids = [await put(), await put(), await put(), await put(), await put()];
    await chunks.delete(ids.slice(0, 3));
    expect(remedy().blockedBy(symptom("disk-filling"))).toBeUndefined();
    const { did, changedNothing } = await remedy().apply(symptom("disk-filling"), signal);
    expect(did).toMatch(/cut 0 B of logs, gave back [1-9] packs? by compaction/);
    expect(changedNothing).toBe(false);
    const again = await remedy().apply(symptom("disk-filling"), signal);
    expect(again).toMatchObject({ changedNothing: true });
    await put();
    expect((await chunks.report()).readOnly).toBeUndefined();
  });

  it("takes no new chunks while it is all but full, and still gives and deletes", async () => {
    const id = await put();
    await remedy().apply(symptom("disk-full"), signal);
    await expect(put()).rejects.toMatchObject({ code: "MESH_DISK_FULL" });
    expect((await chunks.report()).readOnly).toBe("the disk of b is all but full");
    expect((await chunks.get(id)).bytes).toHaveLength(1 << 20);
    await chunks.delete([id]);
    // As the monitor does when there is room again; twice is once.
    chunks.refuse(undefined);
    chunks.refuse(undefined);
    await put();
  });

  it("does not concern the store of another node", () => {
    expect(remedy().blockedBy(symptom("disk-filling", "c"))).toBe(
      "only that node itself can do it",
    );
  });
});

describe("logs", () => {
  it("keep their newest whole lines; small ones and other files stay", async () => {
    const logs = join(home, "logs");
    await mkdir(logs);
    const line = `${"x".repeat(1023)}\n`;
    const large = join(logs, "node.log");
    await writeFile(large, line.repeat(LOG_CUT_BYTES_MIN / line.length + 1));
    await appendFile(large, "the newest\n");
    await writeFile(join(logs, "etcd.log"), "short\n");
    await writeFile(join(logs, "etcd.log.1"), "old\n");
    await writeFile(join(logs, "notes.txt"), "mine\n");
    expect(await trimLogs(logs)).toBeGreaterThan(LOG_CUT_BYTES_MIN - LOG_KEPT_BYTES);
    const kept = await readFile(large, "utf8");
    expect(kept.length).toBeLessThanOrEqual(LOG_KEPT_BYTES);
    expect(kept.endsWith("the newest\n")).toBe(true);
    expect(kept.startsWith("x".repeat(1023))).toBe(true);
    expect(existsSync(join(logs, "etcd.log.1"))).toBe(false);
    expect(await readFile(join(logs, "etcd.log"), "utf8")).toBe("short\n");
    expect(await readFile(join(logs, "notes.txt"), "utf8")).toBe("mine\n");
    expect(await trimLogs(join(home, "none"))).toBe(0);
  });
});
