/**
 * What breaks around a real node becomes an incident that a person can read: a node that is killed,
 * and etcd that is killed. Three daemons; the store is etcd where it is installed.
 */
import { mkdtempSync, rmSync } from "node:fs";
import { readdir, readFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { whyNoEtcd } from "@hearthmesh/store/testing";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type MeshProcess, MeshProcesses, meshOk } from "../../scripts/mesh-processes.mjs";
import { until } from "../support/until.js";

const missing = whyNoEtcd();

interface Look {
  name: string;
  verdict: string;
  facts: number;
}

interface Answer {
  readonly monitors: readonly Look[];
  readonly incidents: readonly Told[];
  readonly incident: Told;
}

interface Told {
  id: string;
  kind: string;
  state: string;
  nodeName: string;
  subject: { type: string; id: string; name: string };
  timings: { verifiedMs?: number };
  timeline: { step: string; remedy?: string; text: string }[];
}

describe("three nodes that heal", () => {
  const folder = mkdtempSync(join(tmpdir(), "hearthmesh-healing-"));
  let member: MeshProcesses;
  let victim: MeshProcess;

  beforeAll(async () => {
    const store = missing === undefined ? "etcd" : "sqlite";
    member = await MeshProcesses.start({ folder, storageNodes: 2, store });
    victim = member.nodes[0] as MeshProcess;
    await until("both others to be watched", async () => {
      const { monitors } = await ask("/api/healing");
      const watched = (name: string, facts: number) =>
        monitors.some((one) => one.name === name && one.verdict === "well" && one.facts === facts);
      return watched("peers", 2) && watched("processes", missing === undefined ? 1 : 0);
    });
  });

  afterAll(async () => {
    await member?.stop();
    rmSync(folder, { recursive: true, force: true });
  });

  async function ask(path: string) {
    const answer = await fetch(`${member.coordinator.httpUrl}${path}`);
    if (!answer.ok) throw new Error(`${path} answered ${answer.status}`);
    return (await answer.json()) as Answer;
  }

  /** The incident that the coordinator itself saw, once it is in one of these states. */
  const incident = (kind: string, name: string, ...states: string[]) =>
    until(
      `${kind} of ${name} to be ${states}`,
      async () => {
        const { incidents } = await ask(`/api/healing/incidents?kind=${kind}`);
        const found = incidents.find(
          (one) => one.subject.name === name && one.nodeName === "alice-coordinator",
        );
        if (found === undefined || !states.includes(found.state)) return false;
        return (await ask(`/api/healing/incidents/${found.id}`)).incident;
      },
      async () => JSON.stringify(await ask("/api/healing")),
    );

  it("tell how one of them was killed, what was tried, and that it is back", async () => {
    const name = "alice-node-01";
    await victim.kill("SIGKILL");
    const open = await incident("peer-unreachable", name, "mending", "verifying", "given-up");
    const [seen] = open.timeline;
    expect(seen?.step).toBe("seen");
    expect(seen?.text).toMatch(/^membership declared it dead: nothing was heard of it for/);

    await until("a dial that failed", async () => {
      const { timeline } = (await ask(`/api/healing/incidents/${open.id}`)).incident;
      return timeline.some(({ step, text }) => step === "applied" && text.includes("dialled "));
    });
    victim.start();
    const closed = await incident("peer-unreachable", name, "passed", "mended");
    expect(closed.id).toBe(open.id);
    expect(closed.timeline.at(-1)).toMatchObject({ step: "closed" });
    const told = await meshOk(member.coordinator.home, ["heal", "explain", closed.id]);
    expect(told).toContain("alice-node-01 does not answer");
    expect(told).toContain("What was seen");
    // The other one of the three saw the same, and none took it for a partition.
    const { incidents } = JSON.parse(
      await meshOk(member.coordinator.home, ["heal", "history", "--json"]),
    );
    expect(incidents.map(({ kind }: Told) => kind)).not.toContain("partition");
    await victim.ready();
  });

  it.skipIf(missing !== undefined)(
    missing ?? "start etcd again when it was killed, and say so",
    async () => {
      process.kill(await etcdPid(folder), "SIGKILL");
      // Its own supervisor is quicker, and gets the credit.
      const passed = await incident("process-down", "etcd", "passed");
      const words = passed.timeline.map(({ text }) => text).join("\n");
      expect(words).toContain("last by SIGKILL");
      expect(passed.timeline.find(({ step }) => step === "applied")).toMatchObject({
        remedy: "restart-process",
        text: expect.stringMatching(/its own supervisor started etcd|etcd runs by now/),
      });
      await until("a key to be written", async () => {
        const url = `${member.coordinator.httpUrl}/api/kv/after`;
        return (await fetch(url, { method: "PUT", body: "still here" })).ok;
      });
    },
  );
});

/** Of the etcd whose data lies in this folder. */
async function etcdPid(folder: string): Promise<number> {
  for (const name of await readdir("/proc")) {
    if (!/^\d+$/.test(name)) continue;
    const line = await readFile(`/proc/${name}/cmdline`, "utf8").catch(() => "");
    if (line.includes(`--data-dir=${folder}`)) return Number(name);
  }
  throw new Error("no etcd runs in that folder");
}
