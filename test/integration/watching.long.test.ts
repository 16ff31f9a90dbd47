/**
 * How a member is watched, with a coordinator and a storage node as real processes: readiness does
 * real work, one request is found in all logs, and what is exported is what the page says.
 */
import { randomBytes } from "node:crypto";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it, vi } from "vitest";
import { MeshProcesses, meshOk } from "../../scripts/mesh-processes.mjs";
import { differences, documentedMetrics, familiesOf } from "../support/exposition.js";

const folder = mkdtempSync(join(tmpdir(), "hearthmesh-watching-"));
const patience = { timeout: 20_000, interval: 100 };
let member: MeshProcesses;

interface Health {
  status: string;
  checks: { name: string; status: string; reason?: string; durationMs?: number; ageMs?: number }[];
}

beforeAll(async () => {
  member = await MeshProcesses.start({ folder, storageNodes: 1, extra: ["--log-level", "debug"] });
});

afterAll(async () => {
  await member?.stop();
  rmSync(folder, { recursive: true, force: true });
});

const doors = () => ({
  coordinator: member.coordinator.httpUrl,
  node: member.nodes[0]!.metricsUrl,
});

async function healthOf(url: string): Promise<Health & { code: number }> {
  const answer = await fetch(url);
  return { ...((await answer.json()) as Health), code: answer.status };
}

const linesOf = (home: string) =>
  readFileSync(join(home, "logs", "node.log"), "utf8")
    .split("\n")
    .filter((line) => line !== "")
    .map((line) => JSON.parse(line) as Record<string, unknown>);

const storeStreams = () =>
  linesOf(member.nodes[0]!.home).filter(({ method }) => method === "chunk.put").length;

/** What was found while the nodes still started is served for some seconds. */
const untilOk = (url: string) =>
  vi.waitFor(
    async () => {
      const health = await healthOf(url);
      expect(health).toMatchObject({ status: "ok" });
      return health;
    },
    { timeout: 30_000, interval: 200 },
  );

describe("readiness", () => {
  it("is real work on each node, which leaves nothing behind", async () => {
    const { coordinator, node } = doors();
    const ready = await untilOk(`${coordinator}/health/ready`);
    expect(ready).toMatchObject({ code: 200, status: "ok" });
    const tried = ready.checks.filter(({ durationMs }) => durationMs !== undefined);
    expect(tried.map(({ name }) => name)).toEqual(["store", "chunk"]);
    const own = await untilOk(`${node}/health/ready`);
    expect(own).toMatchObject({ code: 200, status: "ok" });
    expect(own.checks[0]).toMatchObject({ name: "chunk", durationMs: expect.any(Number) });
    expect(storeStreams()).toBeGreaterThan(0);
    const text = await (await fetch(`${node}/metrics`)).text();
    expect(text).toMatch(/^mesh_chunks\{.*\} 0$/m);
  });

  it("costs one run, however many ask", async () => {
    const before = storeStreams();
    const { coordinator } = doors();
    const asked = Array.from({ length: 300 }, () => healthOf(`${coordinator}/health/ready`));
    const answers = await Promise.all(asked);
    expect(answers.every(({ code }) => code === 200)).toBe(true);
    // One more when the last result became too old meanwhile, on a slow machine.
    expect(storeStreams() - before).toBeLessThanOrEqual(3);
  });
});

describe("one request", () => {
  it("has the same trace id in the logs of gateway, coordinator and storage node", async () => {
    await meshOk(member.coordinator.home, ["mkdir", "/shared"]);
    const url = `${doors().coordinator}/api/files/content?path=/shared/a`;
    const answer = await fetch(url, { method: "PUT", body: randomBytes(300_000) });
    expect(answer.status).toBeLessThan(300);
    const traceId = answer.headers.get("x-trace-id") ?? "";
    expect(traceId).toMatch(/^[0-9a-f]{32}$/);
    const of = (home: string) =>
      linesOf(home)
        .filter((line) => line.traceId === traceId)
        .map(({ msg, method, route }) => `${msg} ${route ?? method}`);
    await vi.waitFor(() => {
      expect(of(member.coordinator.home)).toEqual([
        "a call was answered file.begin",
        "a call was answered file.commit",
        "request answered /api/files/content",
      ]);
      expect(of(member.nodes[0]!.home)).toEqual(["a stream was served chunk.put"]);
    }, patience);
    const given = "4bf92f3577b34da6a3ce929d0e0e4736";
    const headers = { traceparent: `00-${given}-00f067aa0ba902b7-01` };
    const read = await fetch(url, { headers });
    expect((await read.arrayBuffer()).byteLength).toBe(300_000);
    expect(read.headers.get("x-trace-id")).toBe(given);
    await vi.waitFor(() => {
      const served = linesOf(member.nodes[0]!.home).filter((line) => line.traceId === given);
      expect(served.map(({ method }) => method)).toEqual(["chunk.get"]);
    }, patience);
  });
});

describe("metrics", () => {
  it("are those of the page, with the same types and labels", async () => {
    const documented = documentedMetrics();
    expect(documented.size).toBeGreaterThan(60);
    for (const { name, sample } of documented.values()) expect(sample).toContain(name);
    for (const { metricsUrl } of member.processes) {
      const families = familiesOf(await (await fetch(`${metricsUrl}/metrics`)).text());
      expect(families.size).toBeGreaterThan(15);
      expect(differences(families.values())).toEqual([]);
    }
  });
});

describe("when the only storage node is gone", () => {
  it("the coordinator is not ready, names the failing step, and recovers with it", async () => {
    const [node] = member.nodes;
    const { coordinator } = doors();
    await node!.kill();
    await vi.waitFor(async () => {
      const health = await healthOf(`${coordinator}/health/ready`);
      expect(health).toMatchObject({ code: 503, status: "failing" });
      const chunk = health.checks.find(({ name }) => name === "chunk");
      expect(chunk).toMatchObject({ status: "failing", reason: expect.any(String) });
      expect(health.checks.find(({ name }) => name === "store")?.status).toBe("ok");
    }, patience);
    expect((await healthOf(`${coordinator}/health/live`)).code).toBe(200);
    node!.start();
    await vi.waitFor(async () => {
      expect((await healthOf(`${coordinator}/health/ready`)).code).toBe(200);
    }, patience);
  });
});
