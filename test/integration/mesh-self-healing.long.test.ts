/**
 * Guide 4, "Integration Tests": three real coordinators on three real etcd processes; the leader is
 * killed, nodes come and go, and nothing that was acknowledged is lost. The names of the tests are
 * those of the guide.
 */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { whyNoEtcd } from "@hearthmesh/store/testing";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type MeshProcess, MeshProcesses, meshOk } from "../../scripts/mesh-processes.mjs";
import { until } from "../support/until.js";

const missing = whyNoEtcd();
const name = "three coordinators on etcd";
const TIMEOUT_MS = 60_000;

interface Status {
  leader?: { nodeId: string; name: string; epoch: number; isHere: boolean };
}

interface Value {
  status: number;
  text: string;
  etag: string | null;
}

describe.skipIf(missing !== undefined)(missing ? `${name} (${missing})` : name, () => {
  const folder = mkdtempSync(join(tmpdir(), "hearthmesh-self-healing-"));
  let member: MeshProcesses;
  let nodes: MeshProcess[] = [];

  beforeAll(async () => {
    member = await MeshProcesses.start({
      folder,
      coordinators: 3,
      storageNodes: 0,
      store: "etcd",
      coordinatorExtra: ["--store-election-timeout", "500ms", "--acks", "1"],
    });
    nodes = member.coordinators;
    await until("three voters", async () => {
      const answer = await fetch(`${member.coordinator.httpUrl}/api/store/members`);
      const { members } = (await answer.json()) as { members: { role: string; health: string }[] };
      return members.filter((one) => one.role === "voter" && one.health === "ok").length === 3;
    });
  });

  afterAll(async () => {
    await member?.stop();
    rmSync(folder, { recursive: true, force: true });
  });

  const statusOf = async (node: MeshProcess): Promise<Status> =>
    (await fetch(`${node.httpUrl}/api/status`)).json() as Promise<Status>;

  async function put(node: MeshProcess, key: string, value: string): Promise<Value> {
    const answer = await fetch(`${node.httpUrl}/api/kv/${key}`, { method: "PUT", body: value });
    return { status: answer.status, text: await answer.text(), etag: answer.headers.get("etag") };
  }

  async function get(node: MeshProcess, key: string): Promise<Value> {
    const answer = await fetch(`${node.httpUrl}/api/kv/${key}`);
    return { status: answer.status, text: await answer.text(), etag: answer.headers.get("etag") };
  }

  /** All the given nodes name the same leader, and it is one of them. */
  const agreedLeader = (among: readonly MeshProcess[], afterEpoch = 0) =>
    until("a leader that all agree on", async () => {
      const all = await Promise.all(among.map(statusOf));
      const leaders = all.map(({ leader }) => leader);
      const [first] = leaders;
      if (first === undefined || first.epoch <= afterEpoch) return false;
      const isSame = leaders.every((one) => one?.epoch === first.epoch);
      const here = leaders.findIndex((one) => one?.isHere === true);
      const node = among[here];
      return isSame && node !== undefined && { node, epoch: first.epoch, name: first.name };
    });

  async function restart(node: MeshProcess): Promise<void> {
    node.start();
    await node.ready(TIMEOUT_MS);
  }

  it("test_consensus_election", async () => {
    const before = await agreedLeader(nodes);
    const acknowledged: string[] = [];
    for (let index = 0; index < 10; index++) {
      const written = await put(before.node, `election/${index}`, `value ${index}`);
      expect(written.status, written.text).toBeLessThan(300);
      acknowledged.push(`election/${index}`);
    }

    // Stop leader.
    await before.node.kill("SIGKILL");

    // Verify election, verify new leader.
    const rest = nodes.filter((node) => node !== before.node);
    const after = await agreedLeader(rest, before.epoch);
    expect(after.node).not.toBe(before.node);
    expect(after.epoch).toBeGreaterThan(before.epoch);
    await until("a write at the new leader", async () => {
      const written = await put(after.node, "election/after", "still here");
      return written.status < 300;
    });
    for (const node of rest) {
      for (const key of acknowledged) expect((await get(node, key)).status, key).toBe(200);
      expect((await get(node, "election/after")).text).toBe("still here");
    }
    // What the leader alone does goes on too, through either of the two.
    for (const [index, node] of rest.entries()) {
      await meshOk(node.home, ["mkdir", `/after-election-${index}`]);
    }
    expect(await meshOk((rest[0] as MeshProcess).home, ["ls", "/"])).toContain("after-election-1");

    // The old leader comes back as one of the others.
    await restart(before.node);
    const again = await agreedLeader(nodes);
    expect(again.epoch).toBeGreaterThanOrEqual(after.epoch);
    expect((await get(before.node, "election/after")).text).toBe("still here");
  });

  it("a leader that slept does not act on its old lease", async () => {
    const before = await agreedLeader(nodes);
    before.node.child?.kill("SIGSTOP");
    const rest = nodes.filter((node) => node !== before.node);
    const after = await agreedLeader(rest, before.epoch);
    await meshOk(after.node.home, ["mkdir", "/while-it-slept"]);

    // It wakes up, believes for a moment that it leads, and is asked at once.
    before.node.child?.kill("SIGCONT");
    // Links that the others gave up while it slept may break under a call, which then says so.
    await until("a directory made through the one that slept", async () => {
      const answer = await fetch(`${before.node.httpUrl}/api/files/mkdir`, {
        method: "POST",
        headers: { "content-type": "application/json" },
        body: JSON.stringify({ path: "/after-it-slept" }),
      });
      return answer.status < 300 || answer.status === 409;
    });
    const again = await agreedLeader(nodes);
    expect(again.epoch).toBe(after.epoch);
    for (const node of nodes) {
      const listed = await meshOk(node.home, ["ls", "/"]);
      expect(listed).toContain("while-it-slept");
      expect(listed).toContain("after-it-slept");
    }
  });

  it("test_distributed_kvstore", async () => {
    const [one, two, three] = nodes as [MeshProcess, MeshProcess, MeshProcess];

    // Put and get across nodes: what one answered, every other one has at once.
    for (const writer of nodes) {
      const key = `shared/${writer.name}`;
      expect((await put(writer, key, `from ${writer.name}`)).status).toBeLessThan(300);
      for (const reader of nodes) {
        expect((await get(reader, key)).text, `${key} at ${reader.name}`).toBe(
          `from ${writer.name}`,
        );
      }
    }
    const first = await get(one, `shared/${two.name}`);
    const refused = await fetch(`${three.httpUrl}/api/kv/shared/${two.name}`, {
      method: "PUT",
      body: "late",
      headers: { "if-match": '"1"' },
    });
    expect(refused.status).toBe(412);
    expect(first.etag).not.toBeNull();

    // Stop a node: the others still have everything, and take more.
    await three.kill("SIGKILL");
    await until(
      "a write without the third",
      async () => (await put(one, "late", "1")).status < 300,
    );
    for (const reader of [one, two]) {
      for (const writer of nodes) {
        expect((await get(reader, `shared/${writer.name}`)).text).toBe(`from ${writer.name}`);
      }
    }

    // Verify data persistence: all of them stop, as after a power cut, and come back with it.
    await Promise.all([one.kill("SIGKILL"), two.kill("SIGKILL")]);
    for (const node of nodes) node.start();
    await Promise.all(nodes.map((node) => node.ready(TIMEOUT_MS)));
    for (const reader of nodes) {
      for (const writer of nodes) {
        expect((await get(reader, `shared/${writer.name}`)).text).toBe(`from ${writer.name}`);
      }
      expect((await get(reader, "late")).text).toBe("1");
    }
  });
});
