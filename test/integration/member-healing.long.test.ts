/** The leading coordinator mends a member of real processes: a lost node, one that corrupts. */
import { randomBytes } from "node:crypto";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { MeshProcesses, meshOk } from "../../scripts/mesh-processes.mjs";
import { flipBytes } from "../support/flip-bytes.js";

const folder = mkdtempSync(join(tmpdir(), "hearthmesh-member-healing-"));
const MIB = 1 << 20;
const content = randomBytes(12 * MIB);
let member: MeshProcesses;
let operator = "";

interface Listed {
  id: string;
  state: string;
  subject: { name: string };
}

interface Told {
  timeline: { step: string; text: string }[];
}

const json = async (...args: string[]) => JSON.parse(await meshOk(operator, [...args, "--json"]));

async function ask(path: string): Promise<{ incidents: Listed[]; incident: Told }> {
  const answer = await fetch(`${member.coordinator.httpUrl}/api/healing/incidents${path}`);
  expect(answer.status).toBe(200);
  return (await answer.json()) as { incidents: Listed[]; incident: Told };
}

async function mended(kind: string, name: string): Promise<Told> {
  const find = async () =>
    (await ask(`?kind=${kind}`)).incidents.find((one) => one.subject.name === name);
  await expect.poll(async () => (await find())?.state, { timeout: 60_000 }).toBe("mended");
  return (await ask(`/${(await find())?.id}`)).incident;
}

async function expectReadable(): Promise<void> {
  const url = `${member.coordinator.httpUrl}/api/files/content?path=/film`;
  const read = Buffer.from(await (await fetch(url)).arrayBuffer());
  expect(read.equals(content)).toBe(true);
}

const textOf = ({ timeline }: Told) => timeline.map(({ text }) => text).join("\n");

beforeAll(async () => {
  const coordinatorExtra = ["--node-lost", "2s", "--replicas", "2"];
  member = await MeshProcesses.start({ folder, storageNodes: 3, coordinatorExtra });
  operator = member.coordinator.home;
  writeFileSync(join(folder, "film"), content);
  await meshOk(operator, ["write", "/film", join(folder, "film")]);
});

afterAll(async () => {
  await member?.stop();
  rmSync(folder, { recursive: true, force: true });
});

describe("a storage node that is gone for good", () => {
  it("has its copies made at others, in an incident with numbers", async () => {
    const lost = member.nodes[2];
    await lost?.kill();
    const incident = await mended("replicas-missing", "what alice-node-03 kept");
    expect(textOf(incident)).toMatch(/has been away for \d+ s and counts as lost/);
    expect(textOf(incident)).toMatch(/repair: [1-9]\d* chunks? done \(.*\) in \d/);
    expect(textOf(incident)).toMatch(/all \d+ chunks have their copies/);
    // A node is away, so fsck cannot say `clean`; nothing is missing among the others.
    expect((await json("fsck")).counts).toEqual({});
    await expectReadable();
    lost?.start();
    await lost?.ready();
    await member.until((status) => status.totals.online === 3, "the storage nodes");
  });
});

describe("a storage node that gives back damaged chunks", () => {
  it("is set aside, and the contents stay readable", async () => {
    flipBytes(member.nodes[0]?.home ?? "");
    await meshOk(operator, ["worker", "run", "scrub", "--wait"]);
    const incident = await mended("node-corrupts", "alice-node-01");
    expect(textOf(incident)).toMatch(/set alice-node-01 aside by layout \d+ instead of \d+/);
    await expectReadable();
    const { layout } = await json("layout", "show");
    const node = layout.nodes.find((one: { name: string }) => one.name === "alice-node-01");
    expect(node).toMatchObject({ capacityBytes: 0, quarantinedAtMs: expect.any(Number) });
  });
});
