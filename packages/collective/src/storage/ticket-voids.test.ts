/** Tickets that the coordinator takes back, at a real storage node over links. */
import {
  type ChunkId,
  decodeMessage,
  encodeMessage,
  type FileId,
  fromWireError,
  limits,
  type NodeId,
  silentLogger,
  systemClock,
} from "@hearthmesh/core";
import type { Link } from "@hearthmesh/qwormhole";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { readMessages, writeMessage } from "../message-stream.js";
import type { ChunkGetResult, ChunkPutResult } from "../protocol.js";
import { FaultyDisk } from "../testing/faulty-disk.js";
import { type Machine, TestMesh } from "../testing/test-mesh.js";
import type { Ticket } from "../types.js";
import { chunkIdOf } from "./blake3.js";
import { openPackStore, type PackStore } from "./pack-store.js";
import { StorageNode } from "./storage-node.js";
import { EVERY_HOLDER, type TicketVoid, TicketVoids } from "./ticket-voids.js";
import { signTicket } from "./tickets.js";

const fileId = "0123456789abcdef".repeat(2) as FileId;
const owner = "spiffe://home.alice/person/carol@office.carol";
const receiptKey = Buffer.alloc(32, 7);
const ISSUED_MS = 1000;

let mesh: TestMesh;
let coordinator: Machine;
let carol: Machine;
let dave: Machine;
let machine: Machine;
let node: StorageNode;
let store: PackStore;
let ids: ChunkId[];
let nowMs: number;

beforeEach(async () => {
  mesh = new TestMesh();
  coordinator = mesh.machine("coordinator", "coordinator");
  [carol, dave] = [mesh.machine("carol", "person"), mesh.machine("dave", "person")];
  machine = mesh.machine("node-1");
  nowMs = 1_800_000_000_000;
  const clock = { ...systemClock(), nowMs: () => nowMs };
  store = await openPackStore({
    disk: new FaultyDisk().process(),
    clock,
    log: silentLogger,
    capacityBytes: 1 << 30,
    reserveBytes: 0,
  });
  const dial = () => Promise.reject(new Error("nobody is asked here"));
  node = new StorageNode({
    nodeId: machine.nodeId,
    chunkStore: store,
    clock,
    log: silentLogger,
    dial,
  });
  node.setRegistration(registration(1));
  await mesh.listen(machine, node.handlers);
  ids = [];
  // Each is larger than the credit of a stream: one that is not read stands still.
  for (let at = 0; at < 8; at++) {
    const bytes = Buffer.alloc(limits.CHUNK_BYTES_MAX, `${at}`);
    const id = chunkIdOf([bytes]);
    ids.push(id);
    const header = {
      v: 1 as const,
      id,
      fileId,
      index: at,
      owner,
      atMs: 1,
      sizeBytes: bytes.length,
    };
    await store.put(header, [bytes]);
  }
});
afterEach(() => mesh.close());

function registration(epoch: number, ...voids: TicketVoid[]) {
  return { receiptKey, epoch, coordinatorPublicKey: coordinator.identity.publicKey, voids };
}

function ticketFor(holder: Machine, change: Partial<Ticket> = {}): string {
  const ticket: Ticket = {
    v: 1,
    operation: "read",
    holder: holder.nodeId,
    nodes: [machine.nodeId],
    chunkIds: ids,
    epoch: 1,
    issuedAtMs: ISSUED_MS,
    notAfterMs: nowMs + 60_000,
    ...change,
  };
  return signTicket(ticket, coordinator.identity.sign);
}

async function openGet(link: Link, ticket: string) {
  const header = Buffer.concat(encodeMessage({ ticket, ids }));
  const stream = await link.openStream("chunk.get", header);
  stream.end();
  return readMessages<ChunkGetResult>(stream.readable)[Symbol.asyncIterator]();
}

async function codeOf(work: Promise<unknown>): Promise<string> {
  return await work.then(
    () => "no error",
    (error: unknown) => fromWireError(error).code,
  );
}

async function readAll(messages: AsyncIterator<unknown>): Promise<void> {
  while ((await messages.next()).done !== true);
}

async function takeBack(from: Machine, voids: readonly object[], epoch = 1): Promise<void> {
  const link = await mesh.dial(from, machine);
  decodeMessage(await link.request("chunk.void", encodeMessage({ voids, epoch })));
}

describe("a ticket that was taken back", () => {
  it("ends the streams of its holder, also one that stands still, and no others", async () => {
    const links = await Promise.all([mesh.dial(carol, machine), mesh.dial(dave, machine)]);
    const [cut, goesOn] = await Promise.all([
      openGet(links[0]!, ticketFor(carol)),
      openGet(links[1]!, ticketFor(dave)),
    ]);
    await cut!.next();
    await goesOn!.next();
    await takeBack(coordinator, [{ holder: carol.nodeId, issuedBeforeMs: ISSUED_MS + 1 }]);
    expect(await codeOf(readAll(cut!))).toBe("MESH_TICKET_INVALID");
    await readAll(goesOn!);
    const again = await openGet(links[0]!, ticketFor(carol));
    expect(await codeOf(readAll(again))).toBe("MESH_TICKET_INVALID");
    const fresh = await openGet(links[0]!, ticketFor(carol, { issuedAtMs: ISSUED_MS + 1 }));
    await readAll(fresh);
  });

  it("is as good as one that ends on the way, which is cut too", async () => {
    const link = await mesh.dial(carol, machine);
    const messages = await openGet(link, ticketFor(carol));
    await messages.next();
    nowMs += 60_001;
    expect(await codeOf(readAll(messages))).toBe("MESH_TICKET_INVALID");
  });

  it("takes no further chunk of a writer", async () => {
    const link = await mesh.dial(carol, machine);
    const ticket = ticketFor(carol, { operation: "write", fileId, owner });
    const header = Buffer.concat(encodeMessage({ ticket }));
    const stream = await link.openStream("chunk.put", header);
    const bytes = Buffer.alloc(5000, "x");
    const item = { index: 0, id: chunkIdOf([bytes]), sizeBytes: bytes.length };
    await writeMessage(stream, item, [bytes]);
    const answers = readMessages<ChunkPutResult>(stream.readable)[Symbol.asyncIterator]();
    expect((await answers.next()).value?.header.receipt).toBeDefined();
    await takeBack(coordinator, [{ holder: carol.nodeId, issuedBeforeMs: ISSUED_MS + 1 }]);
    expect(await codeOf(readAll(answers))).toBe("MESH_TICKET_INVALID");
  });

  it("is refused by a node that was away then, from its registration on", async () => {
    const link = await mesh.dial(carol, machine);
    node.setRegistration(registration(1, { holder: carol.nodeId, issuedBeforeMs: ISSUED_MS + 1 }));
    const refused = await openGet(link, ticketFor(carol));
    expect(await codeOf(readAll(refused))).toBe("MESH_TICKET_INVALID");
  });

  it("is the word of the coordinator alone, of the present epoch, and well-formed", async () => {
    const one = { holder: dave.nodeId, issuedBeforeMs: ISSUED_MS + 1 };
    expect(await codeOf(takeBack(carol, [one]))).toBe("MESH_FORBIDDEN");
    expect(await codeOf(takeBack(coordinator, [one], 0))).toBe("MESH_EPOCH_OLD");
    expect(await codeOf(takeBack(coordinator, [{ holder: 7 }]))).toBe("MESH_BAD_REQUEST");
    const many = Array(limits.VOIDED_HOLDERS_MAX + 2).fill(one);
    expect(await codeOf(takeBack(coordinator, many))).toBe("MESH_BAD_REQUEST");
    await readAll(await openGet(await mesh.dial(dave, machine), ticketFor(dave)));
  });
});

describe("what a node remembers of tickets that were taken back", () => {
  const ticket = (change: Partial<Ticket>): Ticket => ({
    v: 1,
    operation: "read",
    holder: "a" as NodeId,
    nodes: [],
    epoch: 1,
    issuedAtMs: 5,
    notAfterMs: 10,
    ...change,
  });

  it("is the latest moment of each holder", () => {
    const voids = new TicketVoids();
    voids.add([{ holder: "a" as NodeId, issuedBeforeMs: 6 }], 1);
    voids.add([{ holder: "a" as NodeId, issuedBeforeMs: 4 }], 1);
    expect(voids.covers(ticket({}))).toBe(true);
    expect(voids.covers(ticket({ issuedAtMs: 6 }))).toBe(false);
    expect(voids.covers(ticket({ holder: "b" as NodeId }))).toBe(false);
    const { issuedAtMs: _none, ...old } = ticket({});
    expect(voids.covers(old)).toBe(true);
  });

  it("is forgotten with its epoch, and nothing of an older one is taken", () => {
    const voids = new TicketVoids();
    voids.add([{ holder: "a" as NodeId, issuedBeforeMs: 6 }], 2);
    voids.add([{ holder: "b" as NodeId, issuedBeforeMs: 6 }], 1);
    expect(voids.covers(ticket({ epoch: 2, holder: "b" as NodeId }))).toBe(false);
    voids.add([], 3);
    expect(voids.covers(ticket({ epoch: 3 }))).toBe(false);
  });

  it("is everybody when there are too many, but for copies between nodes", () => {
    const voids = new TicketVoids();
    for (let at = 0; at <= limits.VOIDED_HOLDERS_MAX; at++) {
      voids.add([{ holder: `n${at}` as NodeId, issuedBeforeMs: 6 }], 1);
    }
    expect(voids.covers(ticket({ holder: "new" as NodeId }))).toBe(true);
    expect(voids.covers(ticket({ holder: "new" as NodeId, issuedAtMs: 6 }))).toBe(false);
    expect(voids.covers(ticket({ operation: "copy", holder: "new" as NodeId }))).toBe(false);
    const all = new TicketVoids();
    all.add([{ holder: EVERY_HOLDER, issuedBeforeMs: 6 }], 1);
    expect(all.covers(ticket({}))).toBe(true);
  });
});
