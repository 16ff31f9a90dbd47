/** Coordinator, storage nodes and client as they ship, over links in memory. */

import type { ManualClock } from "@hearthmesh/core/testing";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import type { FileClient } from "../client/file-client.js";
import type { PackStore } from "../storage/pack-store.js";
import { replicaSet } from "../storage/placement.js";
import type { Machine } from "../testing/test-mesh.js";
import type { Coordinator } from "./coordinator.js";
import { testPrincipal } from "./testing/grant-policy.js";
import { GRACE_MS, MIB, once, RealMember, type RealNode, until } from "./testing/real-member.js";
import { bytesOf } from "./testing/world.js";

let member: RealMember;
let clock: ManualClock;
let coordinator: Coordinator;
let home: Machine;
let nodes: RealNode[];
let client: FileClient;

const run = (worker: string) => member.run(worker);
const read = (path: string) => member.read(path, client);
const allChunks = () => member.allChunks();
const isOnline = (node: RealNode) => member.isOnline(node);
const addNode = () => member.addNode();
const dialNode = (from: Machine, nodeId: string) => member.dialNode(from, nodeId);

beforeEach(async () => {
  member = await RealMember.start();
  ({ clock, coordinator, nodes, home } = member);
  client = member.client();
});

afterEach(() => member.stop());

describe("files on real storage nodes", () => {
  it("come back as they were written, small and large, while a node is away", async () => {
    const large = Buffer.concat([bytesOf(MIB, 1), bytesOf(MIB, 2), bytesOf(1000, 3)]);
    await client.write("/large", once(large));
    await client.write("/small", once(bytesOf(5000, 4)));
    await client.write("/tiny", once(bytesOf(10, 5)));
    const away = nodes[0] as RealNode;
    await away.agent.stop();
    await until(() => !isOnline(away));
    expect((await read("/large")).equals(large)).toBe(true);
    expect((await read("/small")).equals(bytesOf(5000, 4))).toBe(true);
    expect((await read("/tiny")).equals(bytesOf(10, 5))).toBe(true);
  });

  it("are repaired on a node that joins, and taken from where they do not belong", async () => {
    for (let at = 0; at < 20; at++) await client.write(`/f${at}`, once(bytesOf(5000, at)));
    const fourth = await addNode();
    await run("repair");
    await run("repair");
    expect(coordinator.replicationState()).toMatchObject({
      chunks: 20,
      fullyReplicated: 20,
      underReplicated: 0,
    });
    expect(fourth.chunks.list(undefined, 100).length).toBeGreaterThan(0);
    for (const id of allChunks()) {
      const chunk = id as Parameters<PackStore["has"]>[0];
      const holders = nodes.filter((node) => node.chunks.has(chunk));
      const wanted = replicaSet(coordinator.layout(), chunk);
      expect(holders.map((node) => node.machine.nodeId).sort()).toEqual([...wanted].sort());
    }
    for (let at = 0; at < 20; at++) {
      expect((await read(`/f${at}`)).equals(bytesOf(5000, at))).toBe(true);
    }
  });

  it("leave no chunk behind when they are removed", async () => {
    const large = Buffer.concat([bytesOf(MIB, 1), bytesOf(MIB, 2)]);
    await client.write("/large", once(large));
    await client.write("/small", once(bytesOf(5000, 4)));
    expect(allChunks().size).toBe(3);
    for (const path of ["/large", "/small"]) {
      const principal = testPrincipal("coordinator", "home", home.nodeId);
      await coordinator.call(principal, "file.remove", { path });
    }
    await clock.advance(GRACE_MS);
    await run("garbage");
    expect([...allChunks()]).toEqual([]);
  });
});

describe("a chunk whose bits have flipped", () => {
  it("is found by a scrub, taken out and brought back from another node", async () => {
    for (let at = 0; at < 8; at++) await client.write(`/f${at}`, once(bytesOf(5000, at)));
    await Promise.all(nodes.map((node) => node.scrubber.start()));
    const bad = nodes[0] as RealNode;
    // A write is answered when two of the three have it.
    await until(() => bad.chunks.list(undefined, 100).length === 8);
    bad.disk.damage("packs/0000000001.pack", 9_000);
    const scrub = coordinator.workers().find((one) => one.name === "scrub");
    let ended = false;
    const running = scrub?.runOnce().finally(() => {
      ended = true;
    });
    while (!ended) await clock.advance(1_000);
    await running;
    expect(scrub?.inspect()).toMatchObject({ errors: 1, queue: 0, runs: 1 });
    expect(bad.scrubber.serve({}).lastFull).toMatchObject({ verified: 7, damaged: 1 });
    expect(bad.scrubber.serve({}).missing).toEqual([]);
    expect(bad.chunks.list(undefined, 100)).toHaveLength(8);
    for (let at = 0; at < 8; at++) {
      expect((await read(`/f${at}`)).equals(bytesOf(5000, at))).toBe(true);
    }
    await Promise.all(nodes.map((node) => node.scrubber.stop()));
  });

  it("is not verified on a node that is away, and the run says so", async () => {
    await client.write("/f", once(bytesOf(5000, 1)));
    await Promise.all(nodes.map((node) => node.scrubber.start()));
    const away = nodes[0] as RealNode;
    await away.agent.stop();
    await until(() => !isOnline(away));
    const scrub = coordinator.workers().find((one) => one.name === "scrub");
    const running = expect(scrub?.runOnce()).rejects.toMatchObject({ code: "MESH_UNREACHABLE" });
    for (let round = 0; round < 5; round++) await clock.advance(1_000);
    await running;
    expect(scrub?.inspect().lastError?.message).toContain(away.machine.name);
    await Promise.all(nodes.map((node) => node.scrubber.stop()));
  });
});

describe("the probe of a chunk", () => {
  const { signal } = new AbortController();
  const links = { linkTo: (node: { nodeId: string }) => dialNode(home, node.nodeId) };

  it("goes to another node each time, and leaves nothing behind", async () => {
    const asked = new Set<string>();
    for (let at = 0; at < 3; at++) {
      const { node, failed } = await coordinator.probeChunk(links, signal);
      expect(failed).toEqual([]);
      asked.add(node);
    }
    expect(asked.size).toBe(3);
    expect(allChunks().size).toBe(0);
  });

  it("names a node that cannot be reached while another keeps the chunk", async () => {
    const [broken] = nodes;
    const partly = {
      linkTo: (node: { nodeId: string }) =>
        node.nodeId === broken?.machine.nodeId
          ? Promise.reject(new Error("the disk is stuck"))
          : dialNode(home, node.nodeId),
    };
    const failed = new Set<string>();
    for (let at = 0; at < 3; at++) {
      const answer = await coordinator.probeChunk(partly, signal);
      for (const one of answer.failed) failed.add(`${one.name}: ${(one.error as Error).message}`);
    }
    expect([...failed]).toEqual(["node-1: the disk is stuck"]);
    const hanging = {
      linkTo: (node: { nodeId: string }, stop?: AbortSignal) =>
        node.nodeId === nodes[2]?.machine.nodeId
          ? dialNode(home, node.nodeId)
          : new Promise<never>((_, reject) => {
              stop?.addEventListener("abort", () => reject(stop.reason));
            }),
    };
    const late = coordinator.probeChunk(hanging, signal);
    await clock.advance(2_000);
    expect(await late).toMatchObject({ node: "node-3", late: ["node-1", "node-2"] });
    const none = { linkTo: () => Promise.reject(new Error("no link at all")) };
    await expect(coordinator.probeChunk(none, signal)).rejects.toThrow("no link at all");
    expect(allChunks().size).toBe(0);
  });
});
