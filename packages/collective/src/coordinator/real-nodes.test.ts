/** Coordinator, storage nodes and client as they ship, over links in memory. */
import { randomBytes } from "node:crypto";
import { type ChunkId, type MemberId, type Random, silentLogger } from "@hearthmesh/core";
import { ManualClock, turns } from "@hearthmesh/core/testing";
import type { Link } from "@hearthmesh/qwormhole";
import { memoryStore } from "@hearthmesh/store";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { FileClient } from "../client/file-client.js";
import type { FileOpenResponse } from "../protocol.js";
import { NodeAgent } from "../storage/node-agent.js";
import { openPackStore, type PackStore } from "../storage/pack-store.js";
import { replicaSet } from "../storage/placement.js";
import { Scrubber } from "../storage/scrubber.js";
import { StorageNode } from "../storage/storage-node.js";
import { FaultyDisk } from "../testing/faulty-disk.js";
import { type Machine, TestMesh } from "../testing/test-mesh.js";
import { Coordinator } from "./coordinator.js";
import { DEFAULT_INTERVALS } from "./coordinator-options.js";
import { GrantPolicy, testPrincipal } from "./testing/grant-policy.js";
import { bytesOf } from "./testing/world.js";

const MIB = 1 << 20;
const GRACE_MS = 10_000;
const random: Random = { bytes: (length) => randomBytes(length), float: () => 0.5 };
const log = silentLogger;

interface RealNode {
  readonly machine: Machine;
  readonly disk: FaultyDisk;
  readonly scrubber: Scrubber;
  readonly chunks: PackStore;
  readonly agent: NodeAgent;
  link: Link | undefined;
}

let clock: ManualClock;
let mesh: TestMesh;
let coordinator: Coordinator;
let home: Machine;
let nodes: RealNode[];
let client: FileClient;

async function addNode(): Promise<RealNode> {
  const machine = mesh.machine(`node-${nodes.length + 1}`);
  const disk = new FaultyDisk();
  const chunks = await openPackStore({
    disk: disk.process(),
    clock,
    log,
    capacityBytes: 1 << 30,
    reserveBytes: 0,
    onDamaged: (id) => scrubber.damaged(id),
  });
  const busy = () => false;
  const shared = { chunkStore: chunks, disk: disk.process(), clock, random, log, busy };
  const scrubber: Scrubber = new Scrubber(shared);
  const node = new StorageNode({
    nodeId: machine.nodeId,
    chunkStore: chunks,
    scrub: scrubber,
    clock,
    log,
    dial: (source) => dialNode(machine, source.nodeId),
  });
  await mesh.listen(machine, node.handlers);
  const real: RealNode = {
    machine,
    disk,
    scrubber,
    chunks,
    link: undefined,
    agent: new NodeAgent({
      dialCoordinator: async () => {
        real.link = await mesh.dial(machine, home, node.handlers);
        return real.link;
      },
      describe: () => ({
        roles: ["storage"],
        site: "home",
        addresses: [`${machine.name}:1`],
        version: "test",
      }),
      report: () => chunks.report(),
      onRegistered: (_response, registration) => node.setRegistration(registration),
      ...{ clock, random, log },
    }),
  };
  nodes.push(real);
  await real.agent.start();
  await until(() => isOnline(real));
  return real;
}

async function dialNode(from: Machine, nodeId: string): Promise<Link> {
  const target = nodes.find((one) => one.machine.nodeId === nodeId);
  if (target === undefined || target.agent.state.phase !== "online") throw new Error("it is away");
  return mesh.dial(from, target.machine);
}

function isOnline(node: RealNode): boolean {
  return coordinator
    .nodes()
    .some((one) => one.nodeId === node.machine.nodeId && one.state !== "offline");
}

/** What is waited for needs no time, only turns: real promises behind real streams. */
async function until(holds: () => boolean): Promise<void> {
  for (let round = 0; round < 500 && !holds(); round++) await turns(2);
  expect(holds()).toBe(true);
}

async function run(worker: string): Promise<void> {
  await coordinator
    .workers()
    .find((one) => one.name === worker)
    ?.runOnce();
}

async function read(path: string): Promise<Buffer> {
  const pieces: Uint8Array[] = [];
  for await (const piece of (await client.read(path)).stream) pieces.push(piece);
  return Buffer.concat(pieces);
}

function infoOf(node: RealNode) {
  return coordinator.nodes().find(({ nodeId }) => nodeId === node.machine.nodeId);
}

/** Asks this node before all others. */
function clientThatPrefers({ machine }: RealNode): FileClient {
  const principal = testPrincipal("coordinator", "home", home.nodeId);
  return new FileClient({
    coordinator: {
      call: async (method, header, body) => {
        const options = { holder: home.nodeId };
        return coordinator.call(principal, method, header, body, options);
      },
    },
    links: { linkTo: (node) => dialNode(home, node.nodeId) },
    // A reader on a machine that keeps chunks reads its own copies.
    self: machine.nodeId,
    ...{ clock, random, log },
  });
}

async function* once(bytes: Uint8Array) {
  yield bytes;
}

function allChunks(): Set<string> {
  return new Set(nodes.flatMap((node) => node.chunks.list(undefined, 10_000)));
}

beforeEach(async () => {
  clock = new ManualClock();
  mesh = new TestMesh();
  nodes = [];
  home = mesh.machine("home", "coordinator");
  const policy = new GrantPolicy();
  const principal = testPrincipal("coordinator", "home", home.nodeId);
  policy.grant(principal, "/:read+write+delete");
  const never = {
    scrubMs: 1e9,
    repairMs: 1e9,
    settleMs: 1e9,
    queueMs: 1e9,
    garbageMs: 1e9,
    uploadsMs: 1e9,
  };
  coordinator = new Coordinator({
    store: memoryStore({ clock }),
    access: policy,
    sign: (bytes) => home.identity.sign(bytes),
    publicKeyDer: home.identity.publicKey,
    nodeId: home.nodeId,
    memberId: "alice" as MemberId,
    ...{ clock, random, log },
    epoch: 1,
    coordinatorSecret: randomBytes(32),
    intervals: { ...DEFAULT_INTERVALS, ...never, garbageGraceMs: GRACE_MS, walkPauseMs: 0 },
  });
  await coordinator.start();
  await mesh.listen(home, coordinator.handlers(), (link) => coordinator.attach(link));
  for (let count = 0; count < 3; count++) await addNode();
  client = new FileClient({
    coordinator: {
      call: (method, header, body) => coordinator.call(principal, method, header, body),
    },
    links: { linkTo: (node) => dialNode(home, node.nodeId) },
    self: home.nodeId,
    ...{ clock, random, log },
  });
});

afterEach(async () => {
  await coordinator.stop();
  await Promise.all(nodes.map((node) => node.agent.stop()));
  await mesh.close();
});

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

describe("a node that gives wrong bytes and says that all is well", () => {
  let liar: RealNode;
  /** Chunks that it gives wrong; each is one that it has. */
  let wrong: Set<ChunkId>;

  beforeEach(async () => {
    for (let at = 0; at < 8; at++) await client.write(`/f${at}`, once(bytesOf(5000, at)));
    liar = nodes[0] as RealNode;
    await until(() => nodes.every((node) => node.chunks.list(undefined, 100).length === 8));
    wrong = new Set(liar.chunks.list(undefined, 100).slice(0, 4));
    const { get, put } = liar.chunks;
    liar.chunks.get = async (id) => {
      const found = await get.call(liar.chunks, id);
      return wrong.has(id) ? { ...found, bytes: Buffer.alloc(found.bytes.length) } : found;
    };
    // What is written anew lies elsewhere on its disk.
    liar.chunks.put = async (header, pieces) => {
      await put.call(liar.chunks, header, pieces);
      wrong.delete(header.id);
    };
  });

  const seen = () => infoOf(liar)?.damageSeen;
  const worker = () => coordinator.workers().find(({ name }) => name === "damage");
  const queue = () => worker()?.inspect().queue ?? 0;

  /** Until its copies were all read: which replica is read is up to the reader. */
  async function readAll(): Promise<void> {
    for (let at = 0; at < 8; at++) {
      expect((await read(`/f${at}`)).equals(bytesOf(5000, at))).toBe(true);
    }
  }

  it("is found out by readers, which get the right bytes, and has its copies replaced", async () => {
    client = clientThatPrefers(liar);
    await readAll();
    await until(() => queue() === 4);
    expect(seen()).toBeUndefined();
    await run("damage");
    expect(seen()).toEqual({ chunks: 4, wrong: 4 });
    expect(infoOf(liar)?.storage).toMatchObject({ corruptChunks: 0 });
    expect(wrong.size).toBe(0);
    for (const node of nodes) expect(node.chunks.list(undefined, 100)).toHaveLength(8);
  });

  it("keeps its copy as long as there are not enough whole ones elsewhere", async () => {
    const [id] = [...wrong];
    if (id === undefined) throw new Error("it has none");
    client = clientThatPrefers(liar);
    await readAll();
    await until(() => queue() === 4);
    await nodes[2]?.chunks.delete([id]);
    await run("damage");
    expect(liar.chunks.has(id)).toBe(true);
    expect(wrong).toEqual(new Set([id]));
  });

  it("is not framed by what a reader says, nor by one without the right to read", async () => {
    const principal = testPrincipal("coordinator", "home", home.nodeId);
    const good = nodes[1] as RealNode;
    const opened = await coordinator.call(principal, "file.open", { path: "/f1" });
    const { ticket, chunks } = opened.header as FileOpenResponse;
    const ids = chunks.map(({ id }) => id);
    const report = (header: object, options = {}) =>
      coordinator.call(principal, "file.damaged", header, undefined, options);
    const { nodeId } = good.machine;
    const others = [...wrong].filter((id) => !ids.includes(id)).slice(0, 1);
    const refused = { code: "MESH_TICKET_INVALID" };
    await expect(report({ ticket, nodeId, ids: others })).rejects.toMatchObject(refused);
    const stranger = { holder: liar.machine.nodeId };
    await expect(report({ ticket, nodeId, ids }, stranger)).rejects.toMatchObject(refused);
    expect((await report({ ticket, nodeId, ids })).header).toEqual({ taken: 1 });
    expect((await report({ ticket, nodeId, ids })).header).toEqual({ taken: 0 });
    await run("damage");
    expect(infoOf(good)?.damageSeen).toBeUndefined();
    expect(good.chunks.list(undefined, 100)).toHaveLength(8);
    const many = Array.from({ length: 20 }, () => report({ ticket, nodeId, ids }));
    const codes = (await Promise.allSettled(many)).map((one) =>
      one.status === "rejected" ? one.reason.code : "taken",
    );
    expect(codes).toContain("MESH_LIMIT");
  });

  it("is found out by a node that copies from it", async () => {
    const [id] = [...wrong];
    if (id === undefined) throw new Error("it has none");
    await nodes[1]?.chunks.delete([id]);
    // Each order begins with another source.
    for (let at = 0; at < 4 && queue() === 0; at++) {
      await run("repair");
      if (queue() === 0) await nodes[1]?.chunks.delete([id]);
    }
    await run("damage");
    expect(seen()).toEqual({ chunks: 1, wrong: 1 });
    expect(nodes[1]?.chunks.has(id)).toBe(true);
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
