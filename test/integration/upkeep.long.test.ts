/** Upkeep with real processes: flipped bits, the check, the trash, settings of workers. */
import { randomBytes } from "node:crypto";
import { mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { MeshProcesses, mesh, meshOk } from "../../scripts/mesh-processes.mjs";
import { flipBytes } from "../support/flip-bytes.js";

const folder = mkdtempSync(join(tmpdir(), "hearthmesh-upkeep-"));
const content = randomBytes(3 << 20);
let member: MeshProcesses;
let operator = "";

const json = async (...args: string[]) => JSON.parse(await meshOk(operator, [...args, "--json"]));

beforeAll(async () => {
  member = await MeshProcesses.start({ folder, storageNodes: 2 });
  operator = member.coordinator.home;
  await meshOk(operator, ["mkdir", "/shared"]);
  writeFileSync(join(folder, "film"), content);
  await meshOk(operator, ["write", "/shared/film", join(folder, "film")]);
});

afterAll(async () => {
  await member?.stop();
  rmSync(folder, { recursive: true, force: true });
});

describe("upkeep", () => {
  it("finds flipped bits, sets them aside and mends them", async () => {
    const home = member.nodes[0]?.home ?? "";
    flipBytes(home, 1);
    const { worker } = await json("worker", "run", "scrub", "--wait");
    expect(worker).toMatchObject({ name: "scrub", runs: expect.any(Number), lastError: null });
    expect(worker.lastRun.errors).toBeGreaterThanOrEqual(1);
    expect(readdirSync(join(home, "chunks", "quarantine"))).toHaveLength(1);
    // Mended by the run itself, or by the walk that the node's report has woken.
    for (let round = 0; round < 100; round++) {
      const report = await json("fsck");
      if (report.state === "clean") return;
      expect(report.counts).toEqual({});
    }
    throw new Error("the copy did not come back");
  });

  it("brings back what was removed, byte for byte", async () => {
    await meshOk(operator, ["rm", "-r", "/shared"]);
    const { entries } = await json("trash", "list");
    expect(entries).toMatchObject([{ path: "/shared", kind: "directory" }]);
    await meshOk(operator, ["trash", "restore", "/shared", "--to", "/shared-before"]);
    const url = `${member.coordinator.httpUrl}/api/files/content?path=/shared-before/film`;
    const read = Buffer.from(await (await fetch(url)).arrayBuffer());
    expect(read.equals(content)).toBe(true);
  });

  it("keeps settings of workers over a crash of the coordinator", async () => {
    await meshOk(operator, ["worker", "set", "garbage", "--pause", "--rate", "50MB/s"]);
    await member.coordinator.kill();
    member.coordinator.start();
    await member.coordinator.ready();
    const { workers } = await json("worker", "list");
    const garbage = workers.find((one: { name: string }) => one.name === "garbage");
    expect(garbage).toMatchObject({ state: "paused", settings: { rateBytes: 50_000_000 } });
    const page = await (await fetch(`${member.coordinator.metricsUrl}/metrics`)).text();
    expect(page).toMatch(/collective_worker_state\{[^}]*worker="garbage"\} 3/);
  });

  it("names what is lost, with an exit status of its own", async () => {
    await member.until((status) => status.totals.online === 2, "the storage nodes");
    for (const node of member.nodes) {
      await node.kill("SIGTERM");
      rmSync(join(node.home, "chunks"), { recursive: true });
    }
    const away = await mesh(operator, ["fsck", "--json"]);
    expect([away.code, JSON.parse(away.stdout).state]).toEqual([0, "unknown"]);
    for (const node of member.nodes) {
      node.start();
      await node.ready();
    }
    await member.until((status) => status.totals.online === 2, "the storage nodes");
    const lost = await mesh(operator, ["fsck"]);
    expect(lost.stdout).toContain("/shared-before/film");
    expect(lost.code).toBe(8);
  });
});
