/**
 * A storage node gives wrong bytes, and its own scrub says that all is well. Readers get the right
 * bytes from others and tell the coordinator, which reads for itself and sets the node aside.
 */
import { randomBytes } from "node:crypto";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { MeshProcesses, meshOk } from "../../scripts/mesh-processes.mjs";
import { flipBytes } from "../support/flip-bytes.js";

const folder = mkdtempSync(join(tmpdir(), "hearthmesh-lying-node-"));
const MIB = 1 << 20;
const LIE = fileURLToPath(new URL("../support/lying-node.mjs", import.meta.url));
const content = randomBytes(24 * MIB);
let member: MeshProcesses;
let operator = "";

interface Listed {
  id: string;
  state: string;
  subject: { name: string };
}

const json = async (...args: string[]) => JSON.parse(await meshOk(operator, [...args, "--json"]));

async function incidents(): Promise<Listed[]> {
  const url = `${member.coordinator.httpUrl}/api/healing/incidents?kind=node-corrupts`;
  return ((await (await fetch(url)).json()) as { incidents: Listed[] }).incidents;
}

async function expectReadable(): Promise<void> {
  const url = `${member.coordinator.httpUrl}/api/files/content?path=/film`;
  const read = Buffer.from(await (await fetch(url)).arrayBuffer());
  expect(read.equals(content)).toBe(true);
}

beforeAll(async () => {
  const coordinatorExtra = ["--replicas", "2"];
  member = await MeshProcesses.start({ folder, storageNodes: 4, coordinatorExtra });
  operator = member.coordinator.home;
  writeFileSync(join(folder, "film"), content);
  await meshOk(operator, ["write", "/film", join(folder, "film")]);
  const liar = member.nodes[0];
  await liar?.kill();
  flipBytes(liar?.home ?? "");
  if (liar !== undefined) liar.variables = { NODE_OPTIONS: `--import=${LIE}` };
  liar?.start();
  await liar?.ready();
  await member.until((status) => status.totals.online === 4, "the storage nodes");
});

afterAll(async () => {
  await member?.stop();
  rmSync(folder, { recursive: true, force: true });
});

describe("a storage node that lies about its chunks", () => {
  it("is not found by its own scrub", async () => {
    await meshOk(operator, ["worker", "run", "scrub", "--wait"]);
    const { workers } = await json("worker", "list");
    const scrub = workers.find((one: { name: string }) => one.name === "scrub");
    expect(scrub).toMatchObject({ errors: 0 });
    expect(await incidents()).toEqual([]);
  });

  it("is found by readers and set aside, and they always get the right bytes", async () => {
    const state = async () => {
      await expectReadable();
      return (await incidents())[0]?.state;
    };
    await expect.poll(state, { timeout: 120_000, interval: 500 }).toBe("mended");
    const [incident] = await incidents();
    expect(incident?.subject.name).toBe("alice-node-01");
    const told = await meshOk(operator, ["heal", "explain", incident?.id ?? ""]);
    // As one line, however wide the page is.
    const page = told.replace(/\s+/g, " ");
    expect(page).toMatch(/this coordinator read \d+ damaged chunks there, \d+ of them given as/);
    expect(page).toMatch(/its own scrub told of 0/);
    expect(page).toMatch(/set alice-node-01 aside by layout \d+ instead of \d+/);
  });

  it("is needed by nobody any more, and not believed when its scrub is clean again", async () => {
    const drained = async () => {
      const answer = await fetch(`${member.coordinator.httpUrl}/api/nodes`);
      const { nodes } = (await answer.json()) as { nodes: { name: string; state: string }[] };
      return nodes.find((one) => one.name === "alice-node-01")?.state;
    };
    await expect.poll(drained, { timeout: 120_000, interval: 500 }).toBe("drained");
    await member.nodes[0]?.kill();
    await expectReadable();
    expect((await json("fsck")).counts).toEqual({});
    const { layout } = await json("layout", "show");
    const node = layout.nodes.find((one: { name: string }) => one.name === "alice-node-01");
    expect(node).toMatchObject({ capacityBytes: 0, quarantinedAtMs: expect.any(Number) });
  });
});
