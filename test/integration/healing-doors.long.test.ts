/**
 * Healing as people and programs see it, with a coordinator and a storage node as real processes:
 * a machine is lost, and its incident is the same in the event stream, the commands, the page and
 * the metrics; who may only read cannot stop the healer.
 */
import { mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it, vi } from "vitest";
import { MeshProcesses, mesh, meshOk } from "../../scripts/mesh-processes.mjs";

const folder = mkdtempSync(join(tmpdir(), "hearthmesh-healing-doors-"));
const patience = { timeout: 40_000, interval: 200 };
let member: MeshProcesses;

beforeAll(async () => {
  member = await MeshProcesses.start({ folder, storageNodes: 1 });
});
afterAll(async () => {
  await member?.stop();
  rmSync(folder, { recursive: true, force: true });
});

interface Told {
  readonly name: string | undefined;
  readonly data: Record<string, never> & { incident?: { id: string; kind: string; state: string } };
}

/** Everything that the stream tells, in order, until it is aborted. */
async function follow(url: string, signal: AbortSignal): Promise<Told[]> {
  const told: Told[] = [];
  const answer = await fetch(`${url}/events`, { signal });
  expect(answer.headers.get("content-type")).toMatch(/^text\/event-stream/);
  const read = async () => {
    let text = "";
    for await (const bytes of answer.body as unknown as AsyncIterable<Uint8Array>) {
      text += Buffer.from(bytes).toString();
      const whole = text.split("\n\n");
      text = whole.pop() ?? "";
      for (const event of whole.filter((one) => one.includes("data: "))) {
        const name = /^event: (.*)$/m.exec(event)?.[1];
        told.push({ name, data: JSON.parse(/^data: (.*)$/m.exec(event)?.[1] ?? "null") });
      }
    }
  };
  read().catch(() => undefined);
  return told;
}

const value = async (url: string, name: string) => {
  const text = await (await fetch(`${url}/metrics`)).text();
  return Number(new RegExp(`^${name} (\\S+)$`, "m").exec(text)?.[1]);
};

describe("a machine that is lost", () => {
  it("is told of everywhere, from the first sign to its return", async () => {
    const { coordinator, nodes } = member;
    const [node] = nodes;
    const stop = new AbortController();
    const told = await follow(coordinator.httpUrl, stop.signal);
    await vi.waitFor(async () => {
      const peers = JSON.parse(await meshOk(coordinator.home, ["peers", "--json"]));
      expect(peers.count).toBe(1);
    }, patience);
    await node!.kill();
    await vi.waitFor(() => {
      expect(told.some(({ name, data }) => name === "peer" && data.state === "dead")).toBe(true);
      const incident = told.find(({ data }) => data.incident?.kind === "peer-unreachable");
      expect(incident?.name).toBe("incident");
    }, patience);
    const id = told.find(({ data }) => data.incident?.kind === "peer-unreachable")?.data.incident
      ?.id;
    const page = () => meshOk(coordinator.home, ["heal", "explain", String(id)]);
    expect(await page()).toMatch(
      /does not answer: [\s\S]*\nWhat was seen\n[\s\S]*\nWhat it means\n/,
    );
    const labels = `node="[^"]+",symptom="peer-unreachable",severity="warning"`;
    const series = `mapek_incidents_open{${labels}}`;
    expect(await value(coordinator.metricsUrl, series)).toBe(1);
    expect(await meshOk(coordinator.home, ["heal", "status"])).toContain("does not answer");
    node!.start();
    await vi.waitFor(async () => {
      const args = ["heal", "history", "--kind", "peer-unreachable", "--json"];
      const { incidents } = JSON.parse(await meshOk(coordinator.home, args));
      expect(incidents[0]).toMatchObject({ id, closedAtMs: expect.any(Number) });
    }, patience);
    expect(await page()).toMatch(/: (mended by|gone by itself after) /);
    const end = told.filter(({ data }) => data.incident?.id === id).at(-1);
    expect(["mended", "passed"]).toContain(end?.data.incident?.state);
    expect(await value(coordinator.metricsUrl, series)).toBe(0);
    const http = await fetch(`${coordinator.httpUrl}/api/healing/incidents/${id}/page?markdown=1`);
    expect(await http.text()).toMatch(/^# .* does not answer: /);
    stop.abort();
  });
});

describe("stopping the healer", () => {
  it("is for operators: on each node, and in the trail of a coordinator", async () => {
    const { coordinator, nodes } = member;
    const paused = await meshOk(coordinator.home, ["heal", "pause", "--for", "10m"]);
    expect(paused).toMatch(/looks on and mends nothing, until 20/);
    expect(await meshOk(coordinator.home, ["audit"])).toContain("healing.pause");
    expect(await value(coordinator.metricsUrl, 'mapek_mode{node="[^"]+",mode="paused"}')).toBe(1);
    expect(await meshOk(coordinator.home, ["heal", "resume"])).toContain("(acting)");
    const storage = nodes[0]!.home;
    expect(await meshOk(storage, ["heal", "dry-run", "--on"])).toContain("(dry-run)");
    expect(await meshOk(storage, ["heal", "dry-run", "--off"])).toContain("(acting)");
  });

  it("is not for a person who was invited: reading is all", async () => {
    const { coordinator } = member;
    const invite = ["invite", "generate", "--grant", "/shared:read", "--json"];
    const { code } = JSON.parse(await meshOk(coordinator.home, invite));
    const home = join(folder, "carol");
    mkdirSync(home);
    await meshOk(home, ["identity", "init", "--global-id", "carol@office.carol"]);
    await meshOk(home, ["invite", "redeem", code]);
    expect(await meshOk(home, ["heal", "status"])).toMatch(/, acting: /);
    for (const words of [["pause"], ["resume"], ["dry-run"], ["dry-run", "--on"]]) {
      const refused = await mesh(home, ["heal", ...words]);
      expect([words, refused.code, refused.stderr]).toEqual([
        words,
        4,
        expect.stringContaining("MESH_FORBIDDEN"),
      ]);
    }
    expect(await meshOk(coordinator.home, ["heal", "status"])).toMatch(/, acting: /);
  });
});
