/** What readers and copying nodes find damaged: read again, counted, replaced. */
import type { ChunkId } from "@hearthmesh/core";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import type { FileClient } from "../client/file-client.js";
import type { FileBeginResponse, FileOpenResponse } from "../protocol.js";
import { chunkIdOf } from "../storage/blake3.js";
import { makeReceipt } from "../storage/receipts.js";
import type { ChunkRef } from "../types.js";
import type { Coordinator } from "./coordinator.js";
import { once, RealMember, type RealNode, until } from "./testing/real-member.js";
import { bytesOf } from "./testing/world.js";

let member: RealMember;
let coordinator: Coordinator;
let nodes: RealNode[];
let client: FileClient;

const run = (worker: string) => member.run(worker);
const read = (path: string) => member.read(path, client);
const infoOf = (node: RealNode) => member.infoOf(node);

beforeEach(async () => {
  member = await RealMember.start();
  ({ coordinator, nodes } = member);
  client = member.client();
});

afterEach(() => member.stop());

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

  it("is found out by readers, and has its copies replaced", async () => {
    client = member.client(liar.machine);
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
    client = member.client(liar.machine);
    await readAll();
    await until(() => queue() === 4);
    await nodes[2]?.chunks.delete([id]);
    await run("damage");
    expect(liar.chunks.has(id)).toBe(true);
    expect(wrong).toEqual(new Set([id]));
  });

  it("is not framed by what a reader says, nor by one without the right to read", async () => {
    const { principal, home } = member;
    const good = nodes[1] as RealNode;
    const opened = await coordinator.call(principal, "file.open", { path: "/f1" });
    const { ticket, chunks } = opened.header as FileOpenResponse;
    const ids = chunks.map(({ id }) => id);
    const report = (header: object, options = { holder: home.nodeId }) =>
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

  it("does not frame another one by a file that names its chunks with a wrong size", async () => {
    const { principal, home } = member;
    const call = async <T>(method: string, header: object) =>
      (await coordinator.call(principal, method, header, undefined, { holder: home.nodeId }))
        .header as T;
    const good = nodes[2] as RealNode;
    const bytes = bytesOf(5000, 99);
    const chunk: ChunkRef = { id: chunkIdOf([bytes]), sizeBytes: 17 };
    const { fileId } = await call<FileBeginResponse>("file.begin", { path: "/forged" });
    const receipts = nodes.slice(0, 2).map(({ machine: { nodeId }, registration }) => {
      const facts = { fileId, index: 0, chunkId: chunk.id, sizeBytes: 17 };
      return { index: 0, nodeId, receipt: makeReceipt(registration?.receiptKey as Buffer, facts) };
    });
    await call("file.commit", { fileId, segments: 0, sizeBytes: 17, chunks: [chunk], receipts });
    await client.write("/true", once(bytes));
    await until(() => good.chunks.has(chunk.id));
    const { ticket } = await call<FileOpenResponse>("file.open", { path: "/forged" });
    const damaged = { ticket, nodeId: good.machine.nodeId, ids: [chunk.id] };
    expect(await call("file.damaged", damaged)).toEqual({ taken: 1 });
    await run("damage");
    expect(infoOf(good)?.damageSeen).toBeUndefined();
    expect((await read("/true")).equals(bytes)).toBe(true);
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
