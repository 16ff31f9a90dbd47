import { limits, MeshError } from "@hearthmesh/core";
import { turns } from "@hearthmesh/core/testing";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import type { FileOpenResponse } from "../protocol.js";
import { verifyTicket } from "../storage/tickets.js";
import type { MemoryNode } from "./testing/memory-node.js";
import { bytesOf, World } from "./testing/world.js";

let world: World;
let nodes: [MemoryNode, MemoryNode, MemoryNode];
beforeEach(async () => {
  world = await World.start({ nodes: 3 });
  nodes = world.nodes as typeof nodes;
});
afterEach(() => world.stop());

const codeIs = (code: string) => expect.objectContaining({ code });
const never = () => new Promise<void>(() => undefined);
const open = (path: string) => world.call<FileOpenResponse>("file.open", { path });
const copies = () => nodes.map((node) => node.chunks.size);

describe("file.put", () => {
  it("keeps what is tiny in the entry, on no storage node", async () => {
    await world.put("/a", bytesOf(limits.INLINE_FILE_BYTES_MAX, 1));
    await world.put("/empty", new Uint8Array(0));
    expect(copies()).toEqual([0, 0, 0]);
    expect(await open("/a")).toMatchObject({ inline: true, chunkCount: 0 });
    const { body } = await world.coordinator.call(world.operator, "file.open", { path: "/a" });
    expect(body).toEqual(Buffer.from(bytesOf(limits.INLINE_FILE_BYTES_MAX, 1)));
  });

  it("stores what is small as one chunk with all its replicas", async () => {
    const bytes = bytesOf(4096, 1);
    await world.put("/a", bytes);
    await turns();
    expect(copies()).toEqual([1, 1, 1]);
    const opened = await open("/a");
    expect(opened.chunks).toEqual([{ id: expect.any(String), sizeBytes: 4096 }]);
    const chunk = opened.chunks[0];
    if (chunk === undefined) throw new Error("the file has no chunk");
    expect(nodes[0].chunks.get(chunk.id)).toEqual(Buffer.from(bytes));
    const ticket = verifyTicket(opened.ticket ?? "", {
      publicKeyDer: world.publicKeyDer,
      nowMs: world.clock.nowMs(),
      epoch: 1,
      holder: world.operator.nodeId,
      node: nodes[2].nodeId,
    });
    expect(ticket).toMatchObject({ operation: "read", chunkIds: [chunk.id] });
    expect(await world.rows("q/")).toEqual([]);
  });

  it("refuses what is not small", async () => {
    const large = bytesOf(limits.SMALL_FILE_BYTES_MAX + 1, 1);
    await expect(world.put("/a", large)).rejects.toEqual(codeIs("MESH_FILE_TOO_LARGE"));
    await world.put("/b", bytesOf(limits.SMALL_FILE_BYTES_MAX, 1));
  });

  it("answers with two copies while the third node is silent, queues what it missed", async () => {
    nodes[1].onServe = never;
    await world.put("/a", bytesOf(4096, 1));
    expect(copies()).toEqual([1, 0, 1]);
    expect(await world.rows("q/")).toEqual([]);
    await world.clock.advance(5_000);
    expect(await world.rows("q/")).toHaveLength(1);
    // The silent node is not asked for a while; its copies are queued at once.
    nodes[1].served.length = 0;
    await world.put("/b", bytesOf(4096, 2));
    expect(await world.rows("q/")).toHaveLength(2);
    expect(nodes[1].served).toEqual([]);
  });

  it("takes another node when one refuses, and fails when too few are left", async () => {
    nodes[0].onServe = (method) => {
      if (method === "chunk.store") throw new Error("the disk is full");
    };
    await world.put("/a", bytesOf(4096, 1));
    await turns();
    expect(copies()).toEqual([0, 1, 1]);
    await world.disconnect(nodes[1]);
    await expect(world.put("/b", bytesOf(4096, 2))).rejects.toEqual(codeIs("MESH_NO_STORAGE"));
    await expect(open("/b")).rejects.toEqual(codeIs("MESH_PATH_NOT_FOUND"));
    await world.put("/tiny", bytesOf(10, 3));
  });

  it("says that the disks are full when that is all that is wrong", async () => {
    const full = () => {
      throw new MeshError("MESH_DISK_FULL", { message: "the disk of this node is full" });
    };
    for (const node of nodes) node.onServe = full;
    const needs = "a safe write needs 2 storage nodes in distinct zones";
    await expect(world.put("/a", bytesOf(4096, 1))).rejects.toMatchObject({
      code: "MESH_DISK_FULL",
      message: expect.stringContaining(`${needs}; 3 are there, of which none can take new chunks`),
      details: { needed: 2, found: 0 },
    });
    // Some are left alone for having failed just now, which is no other reason.
    await expect(world.put("/a", bytesOf(4096, 1))).rejects.toMatchObject({
      code: "MESH_DISK_FULL",
      message: expect.stringContaining("node-2: the disk of this node is full; node-3: the disk"),
    });
    await world.disconnect(nodes[0]);
    await expect(world.put("/a", bytesOf(4096, 1))).rejects.toMatchObject({
      code: "MESH_NO_STORAGE",
      message: expect.stringContaining(
        `${needs}; 2 are there, of which none can take new chunks (node-1: it is away; node-2: `,
      ),
    });
  });

  it("says the same when the nodes have reported it, also for what is not small", async () => {
    for (const node of nodes.slice(1)) {
      node.fullReason = "there is no space left";
      await node.register();
    }
    const refusal = expect.objectContaining({
      code: "MESH_DISK_FULL",
      message:
        "a safe write needs 2 storage nodes in distinct zones; 3 are there, of which 1 can take " +
        "new chunks (node-2: there is no space left; node-3: there is no space left)",
    });
    await expect(world.put("/a", bytesOf(4096, 1))).rejects.toEqual(refusal);
    await expect(world.begin("/b")).rejects.toEqual(refusal);
    nodes[1].fullReason = undefined;
    await nodes[1].register();
    await world.put("/a", bytesOf(4096, 1));
  });

  it("needs one copy with one node, and says so when there is none", async () => {
    const lonely = await World.start({ nodes: 0 });
    const refused = lonely.put("/a", bytesOf(4096, 1));
    await expect(refused).rejects.toMatchObject({
      code: "MESH_NO_STORAGE",
      message: "there is no storage node yet",
    });
    const only = await lonely.addNode();
    await lonely.put("/a", bytesOf(4096, 1));
    expect(only.chunks.size).toBe(1);
    expect(lonely.coordinator.status()).toMatchObject({ acksNeeded: 1, zonesAvailable: 1 });
    await lonely.stop();
  });

  it("bounds the bytes that are on their way", async () => {
    for (const node of nodes) node.onServe = never;
    const size = limits.SMALL_FILE_BYTES_MAX;
    const count = limits.SMALL_FILE_BYTES_IN_FLIGHT_MAX / size;
    const puts = Array.from({ length: count }, (_, at) => world.put(`/f${at}`, bytesOf(size, at)));
    const settled = Promise.allSettled(puts);
    await turns(2);
    await expect(world.put("/more", bytesOf(size, 1))).rejects.toEqual(codeIs("MESH_LIMIT"));
    await world.clock.advance(60_000);
    expect((await settled).every((put) => put.status === "rejected")).toBe(true);
    for (const node of nodes) node.onServe = () => undefined;
    await world.clock.advance(5_000);
    await world.put("/more", bytesOf(size, 1));
  });
});
