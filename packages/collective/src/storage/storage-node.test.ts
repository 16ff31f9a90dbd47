import {
  type ChunkId,
  decodeMessage,
  encodeMessage,
  type FileId,
  fromWireError,
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
import { checkReceipt } from "./receipts.js";
import { StorageNode } from "./storage-node.js";
import { signTicket } from "./tickets.js";

const fileId = "0123456789abcdef".repeat(2) as FileId;
const owner = "spiffe://home.alice/person/alice@home.alice";
const receiptKey = Buffer.alloc(32, 7);

interface Served {
  readonly machine: Machine;
  readonly node: StorageNode;
  readonly store: PackStore;
  readonly disk: FaultyDisk;
}

let mesh: TestMesh;
let coordinator: Machine;
let client: Machine;
let served: Served;
let nowMs: number;

async function serve(name: string): Promise<Served> {
  const machine = mesh.machine(name);
  const disk = new FaultyDisk();
  const clock = { ...systemClock(), nowMs: () => nowMs };
  const store = await openPackStore({
    disk: disk.process(),
    clock,
    log: silentLogger,
    capacityBytes: 1 << 30,
    reserveBytes: 0,
  });
  const node = new StorageNode({
    nodeId: machine.nodeId,
    chunkStore: store,
    clock,
    log: silentLogger,
    dial: async (source) => {
      if (source.nodeId !== served.machine.nodeId) throw new Error("it is away");
      return await mesh.dial(machine, served.machine);
    },
  });
  const coordinatorPublicKey = coordinator.identity.publicKey;
  node.setRegistration({ receiptKey, epoch: 1, coordinatorPublicKey });
  await mesh.listen(machine, node.handlers);
  return { machine, node, store, disk };
}

function ticketFor(holder: Machine, change: Partial<Ticket> = {}): string {
  const nodes = [served.machine.nodeId];
  const base = { v: 1, operation: "write", holder: holder.nodeId, nodes, epoch: 1 } as const;
  const ticket: Ticket = { ...base, fileId, owner, notAfterMs: nowMs + 60_000, ...change };
  return signTicket(ticket, coordinator.identity.sign);
}

function chunk(text: string, sizeBytes = 3000): { id: ChunkId; bytes: Buffer } {
  const bytes = Buffer.alloc(sizeBytes, text);
  return { id: chunkIdOf([bytes]), bytes };
}

async function openStream(link: Link, method: string, open: object) {
  return await link.openStream(method, Buffer.concat(encodeMessage(open)));
}

async function put(
  link: Link,
  ticket: string,
  items: readonly { index: number; id: ChunkId; bytes: Buffer }[],
): Promise<Map<number, ChunkPutResult>> {
  const stream = await openStream(link, "chunk.put", { ticket });
  const results = new Map<number, ChunkPutResult>();
  const reading = (async () => {
    for await (const { header } of readMessages<ChunkPutResult>(stream.readable)) {
      results.set(header.index, header);
    }
  })();
  // A refused stream fails here, too, while the writes below may still go on.
  reading.catch(() => undefined);
  for (const { index, id, bytes } of items) {
    await writeMessage(stream, { index, id, sizeBytes: bytes.length }, [bytes]).catch(
      () => undefined,
    );
  }
  stream.end();
  await reading;
  return results;
}

async function get(link: Link, ticket: string, ids: readonly ChunkId[]) {
  const stream = await openStream(link, "chunk.get", { ticket, ids });
  stream.end();
  const found: { result: ChunkGetResult; bytes: Buffer }[] = [];
  for await (const { header, pieces } of readMessages<ChunkGetResult>(stream.readable)) {
    found.push({ result: header, bytes: Buffer.concat(pieces) });
  }
  return found;
}

async function ask(link: Link, method: string, header: object, body?: Uint8Array) {
  try {
    return decodeMessage<Record<string, unknown>>(
      await link.request(method, encodeMessage(header, body)),
    );
  } catch (error) {
    throw fromWireError(error);
  }
}

async function codeOf(work: Promise<unknown>): Promise<string> {
  return await work.then(
    () => "no error",
    (error: unknown) => fromWireError(error).code,
  );
}

beforeEach(async () => {
  nowMs = 1_700_000_000_000;
  mesh = new TestMesh();
  coordinator = mesh.machine("coordinator", "coordinator");
  client = mesh.machine("carol", "person");
  served = await serve("node-1");
});

afterEach(() => mesh.close());

describe("a storage node", () => {
  it("takes chunks over one stream and gives a receipt for each when it is durable", async () => {
    const link = await mesh.dial(client, served.machine);
    const items = Array.from({ length: 30 }, (_, index) => ({
      index,
      ...chunk(`part ${index} `, 1000 + index * 5000),
    }));
    const results = await put(link, ticketFor(client), items);
    expect(results.size).toBe(30);
    served.disk.losePower(() => false);
    const store = await openPackStore({
      disk: served.disk.process(),
      clock: systemClock(),
      log: silentLogger,
      capacityBytes: 1 << 30,
    });
    for (const { index, id, bytes } of items) {
      const facts = { fileId, index, chunkId: id, sizeBytes: bytes.length };
      expect(checkReceipt(receiptKey, facts, results.get(index)?.receipt ?? "")).toBe(true);
      const found = await store.get(id);
      expect(found.header).toMatchObject({ fileId, index, owner, atMs: nowMs });
      expect(Buffer.compare(found.bytes, bytes)).toBe(0);
    }
  });

  it("answers a damaged chunk with its error and takes the others", async () => {
    const link = await mesh.dial(client, served.machine);
    const [good, other] = [chunk("good"), chunk("other")];
    const results = await put(link, ticketFor(client), [
      { index: 0, id: other.id, bytes: good.bytes },
      { index: 1, id: good.id, bytes: good.bytes },
    ]);
    expect(results.get(0)?.error).toMatchObject({ code: "MESH_CHUNK_MISMATCH" });
    expect(results.get(1)?.receipt).toHaveLength(22);
    expect(served.store.list(undefined, 9)).toEqual([good.id]);
  });

  it("gives chunks in the order asked, and an error for one that it lacks", async () => {
    const link = await mesh.dial(client, served.machine);
    const chunks = ["one", "two", "three"].map((text) => chunk(text, 200_000));
    await put(
      link,
      ticketFor(client),
      chunks.map((item, index) => ({ index, ...item })),
    );
    const ids = [...chunks.map(({ id }) => id), chunk("never put").id].reverse();
    const found = await get(link, ticketFor(client, { operation: "read", chunkIds: ids }), ids);
    expect(found.map(({ result }) => result.id)).toEqual(ids);
    expect(found[0]?.result.error).toMatchObject({ code: "MESH_CHUNK_NOT_FOUND" });
    for (const { result, bytes } of found.slice(1)) {
      expect(result.error).toBeUndefined();
      expect(chunkIdOf([bytes])).toBe(result.id);
    }
  });

  it.each<[string, Partial<Ticket>, string]>([
    ["of another operation", { operation: "read", chunkIds: [] }, "MESH_TICKET_INVALID"],
    ["that has ended", { notAfterMs: 1 }, "MESH_TICKET_INVALID"],
    ["for another node", { nodes: [] }, "MESH_TICKET_INVALID"],
    ["of an older epoch", { epoch: 0 }, "MESH_EPOCH_OLD"],
  ])("takes nothing with a ticket %s", async (_name, change, code) => {
    const link = await mesh.dial(client, served.machine);
    const items = [{ index: 0, ...chunk("x") }];
    expect(await codeOf(put(link, ticketFor(client, change), items))).toBe(code);
    expect(served.store.list(undefined, 9)).toEqual([]);
  });

  it("takes nothing from somebody with a ticket that was given to somebody else", async () => {
    const thief = mesh.machine("mallory", "person");
    const link = await mesh.dial(thief, served.machine);
    const work = put(link, ticketFor(client), [{ index: 0, ...chunk("x") }]);
    expect(await codeOf(work)).toBe("MESH_TICKET_INVALID");
  });

  it("keeps to the chunks and the indexes that the ticket names", async () => {
    const link = await mesh.dial(client, served.machine);
    const bounded = ticketFor(client, { firstChunk: 4, chunkCount: 2 });
    const results = await put(
      link,
      bounded,
      [3, 4, 6].map((index) => ({ index, ...chunk(`at ${index}`) })),
    );
    expect(results.get(3)?.error).toMatchObject({ code: "MESH_TICKET_INVALID" });
    expect(results.get(4)?.receipt).toBeDefined();
    expect(results.get(6)?.error).toMatchObject({ code: "MESH_TICKET_INVALID" });
    const read = ticketFor(client, { operation: "read", chunkIds: [chunk("other").id] });
    expect(await codeOf(get(link, read, [chunk("at 4").id]))).toBe("MESH_TICKET_INVALID");
  });

  it("takes no more chunks than a ticket names, whatever index they say they have", async () => {
    const link = await mesh.dial(client, served.machine);
    const bounded = ticketFor(client, { firstChunk: 0, chunkCount: 2 });
    const codeIn = (result: ChunkPutResult | undefined) =>
      (result?.error as { code?: string } | undefined)?.code;
    const codesOf = async (...texts: string[]) => {
      const codes: unknown[] = [];
      for (const text of texts) {
        const results = await put(link, bounded, [{ index: 0, ...chunk(text) }]);
        codes.push(codeIn(results.get(0)));
      }
      return codes;
    };
    const damaged = { index: 1, id: chunk("good").id, bytes: Buffer.from("bad") };
    expect(codeIn((await put(link, bounded, [damaged])).get(1))).toBe("MESH_CHUNK_MISMATCH");
    const codes = await codesOf("a", "b", "c", "a", "d");
    const full = "MESH_TICKET_INVALID";
    expect(codes).toEqual([undefined, undefined, full, undefined, full]);
    const other = ticketFor(client, { fileId: "e".repeat(32) as FileId, chunkCount: 1 });
    expect((await put(link, other, [{ index: 0, ...chunk("f") }])).get(0)?.error).toBeUndefined();
  });

  it("refuses chunks of a stream whose ticket ends on the way", async () => {
    const link = await mesh.dial(client, served.machine);
    const stream = await openStream(link, "chunk.put", { ticket: ticketFor(client) });
    const answers = readMessages<ChunkPutResult>(stream.readable);
    for (const index of [0, 1]) {
      const { id, bytes } = chunk(`late ${index}`);
      await writeMessage(stream, { index, id, sizeBytes: bytes.length }, [bytes]);
      const { value } = await answers.next();
      if (index === 0) expect(value?.header.receipt).toBeDefined();
      else expect(value?.header.error).toMatchObject({ code: "MESH_TICKET_INVALID" });
      nowMs += 61_000;
    }
  });

  it("obeys orders of the coordinator only, and serves no method without a policy", async () => {
    const link = await mesh.dial(client, served.machine);
    const orders = ["store", "copy", "list", "heads", "delete", "scrub"];
    for (const method of orders.map((order) => `chunk.${order}`)) {
      expect(await codeOf(ask(link, method, {}))).toBe("MESH_FORBIDDEN");
    }
    const boss = await mesh.dial(coordinator, served.machine);
    for (const method of ["chunk.put", "chunk.format", "constructor", "node.register"]) {
      expect(await codeOf(ask(boss, method, {}))).toBe("MESH_FORBIDDEN");
    }
    for (const method of ["chunk.store", "chunk.other"]) {
      const stream = await openStream(boss, method, {});
      expect(await codeOf(readMessages(stream.readable).next())).toBe("MESH_FORBIDDEN");
    }
  });

  it("takes no name of a chunk that could be a path, from anybody", async () => {
    const { id, bytes } = chunk("a");
    const names = ["../../etc/passwd", "/etc/passwd", `../${id.slice(3)}`, `${id}\0`, `${id}/..`];
    names.push(id.toUpperCase(), id.slice(1), `${id}0`, "", "..", "scrub.json");
    const boss = await mesh.dial(coordinator, served.machine);
    const link = await mesh.dial(client, served.machine);
    const before = served.disk.paths();
    for (const name of names) {
      const order = { fileId, index: 0, id: name, owner };
      const asked = [
        ask(boss, "chunk.store", order, bytes),
        ask(boss, "chunk.delete", { ids: [name], epoch: 1 }),
        ask(boss, "chunk.heads", { ids: [name] }),
        ask(boss, "chunk.list", { after: name, limit: 1 }),
        ask(boss, "chunk.copy", { ticket: "none", ids: [name], sources: [] }),
        get(link, ticketFor(client, { operation: "read" }), [name as ChunkId]),
      ];
      for (const one of asked) expect(await codeOf(one)).toMatch(/^MESH_[A-Z_]+$/);
    }
    expect(served.disk.paths()).toEqual(before);
    expect(await served.store.report()).toMatchObject({ chunkCount: 0 });
  });

  it("stores, lists and deletes for the coordinator", async () => {
    const boss = await mesh.dial(coordinator, served.machine);
    const chunks = ["a", "b", "c"].map((text) => chunk(text));
    for (const { id, bytes } of chunks) {
      const order = { fileId, index: 0, id, owner };
      expect((await ask(boss, "chunk.store", order, bytes)).header).toEqual({ stored: true });
    }
    const sorted = chunks.map(({ id }) => id).sort();
    const first = await ask(boss, "chunk.list", { limit: 2 });
    expect(first.header).toEqual({ count: 2, more: true });
    expect(Buffer.from(first.body).toString("hex")).toBe(`${sorted[0]}${sorted[1]}`);
    const rest = await ask(boss, "chunk.list", { limit: 2, after: sorted[1] });
    expect(rest.header).toEqual({ count: 1, more: false });
    const deleted = await ask(boss, "chunk.delete", { ids: sorted.slice(0, 2), epoch: 2 });
    expect(deleted.header).toEqual({ deleted: 2 });
    expect(served.store.list(undefined, 9)).toEqual(sorted.slice(2));
    const late = ask(boss, "chunk.delete", { ids: sorted, epoch: 1 });
    expect(await codeOf(late)).toBe("MESH_EPOCH_OLD");
    expect(served.store.list(undefined, 9)).toEqual(sorted.slice(2));
  });

  it.each([
    ["chunk.store", { fileId: "../x", index: 0, id: "x", owner: "o" }],
    ["chunk.store", { fileId, index: -1, id: chunk("x").id, owner: "o" }],
    ["chunk.delete", { ids: ["../../etc"], epoch: 1 }],
    ["chunk.delete", { ids: [], epoch: "1" }],
    ["chunk.list", { after: "zz", limit: 1 }],
    ["chunk.copy", { ids: new Array(2000).fill(chunk("x").id), ticket: "t", sources: [] }],
    ["chunk.copy", { ids: [], sources: [] }],
  ])("refuses a malformed %s", async (method, header) => {
    const boss = await mesh.dial(coordinator, served.machine);
    const code = await codeOf(ask(boss, method, header, Buffer.alloc(3000, "x")));
    expect(code).toBe("MESH_BAD_REQUEST");
  });

  it("copies chunks with their headers, and says which it could not", async () => {
    const link = await mesh.dial(client, served.machine);
    const chunks = ["p", "q"].map((text) => chunk(text, 100_000));
    await put(
      link,
      ticketFor(client),
      chunks.map((item, index) => ({ index, ...item })),
    );
    const newcomer = await serve("node-2");
    const lost = chunk("nowhere").id;
    const ids = [...chunks.map(({ id }) => id), lost];
    const ticket = ticketFor(newcomer.machine, { operation: "copy", chunkIds: ids });
    const away = mesh.machine("node-3");
    const sources = [away, served.machine].map(({ nodeId }) => ({ nodeId, addresses: [] }));
    const boss = await mesh.dial(coordinator, newcomer.machine);
    const { header } = await ask(boss, "chunk.copy", { ticket, ids, sources });
    expect(header).toMatchObject({ copied: ids.slice(0, 2), failed: [{ id: lost }] });
    for (const [index, { id }] of chunks.entries()) {
      expect((await newcomer.store.get(id)).header).toMatchObject({ fileId, index, owner });
    }
    const again = await ask(boss, "chunk.copy", { ticket: "none", ids: ids.slice(0, 2), sources });
    expect(again.header).toEqual({ copied: ids.slice(0, 2), failed: [], bytes: 0 });
  });

  it("checks no ticket before it has registered", async () => {
    const node = new StorageNode({
      nodeId: served.machine.nodeId,
      chunkStore: served.store,
      clock: systemClock(),
      log: silentLogger,
      dial: () => Promise.reject(new Error("no")),
    });
    const fresh = mesh.machine("fresh");
    await mesh.listen(fresh, node.handlers);
    const link = await mesh.dial(client, fresh);
    const work = put(link, ticketFor(client), [{ index: 0, ...chunk("x") }]);
    expect(await codeOf(work)).toBe("MESH_TICKET_INVALID");
  });
});
