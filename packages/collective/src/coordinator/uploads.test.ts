import { type FileId, limits } from "@hearthmesh/core";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import type { ChunkReceipt, FileBeginResponse, FileOpenResponse } from "../protocol.js";
import { verifyTicket } from "../storage/tickets.js";
import type { ChunkRef, Entry } from "../types.js";
import { bytesOf, World } from "./testing/world.js";

const FULL = limits.CHUNK_BYTES_MAX;
const SEGMENT = limits.MANIFEST_SEGMENT_CHUNKS_MAX;

let world: World;
beforeEach(async () => {
  world = await World.start({ nodes: 3 });
});
afterEach(() => world.stop());

const codeIs = (code: string) => expect.objectContaining({ code });

/** Chunks that no test looks into: names and receipts, without a mebibyte for each. */
function claimed(begun: FileBeginResponse, first: number, count: number, lastBytes = FULL) {
  const chunks: ChunkRef[] = Array.from({ length: count }, (_, at) => ({
    id: (first + at).toString(16).padStart(64, "0") as ChunkRef["id"],
    sizeBytes: at === count - 1 ? lastBytes : FULL,
  }));
  const receipts: ChunkReceipt[] = chunks.flatMap((chunk, at) =>
    world.nodes.map((node) => node.receiptFor(begun.fileId, first + at, chunk)),
  );
  return { chunks, receipts };
}

function commit(begun: FileBeginResponse, sizeBytes: number, rest: object) {
  const header = { fileId: begun.fileId, sizeBytes, segments: 0, chunks: [], receipts: [] };
  return world.call<{ entry: Entry }>("file.commit", { ...header, ...rest });
}

describe("an upload", () => {
  it("is invisible before its commit and whole after it", async () => {
    const begun = await world.begin("/film");
    expect(begun).toMatchObject({ chunkBytes: FULL, acksNeeded: 2 });
    expect(begun.nodes.map((node) => node.name)).toEqual(["node-1", "node-2", "node-3"]);
    const stat = () => world.call("file.stat", { path: "/film" });
    const claim = world.place(begun, 0, [bytesOf(FULL, 1), bytesOf(10, 2)]);
    await expect(stat()).rejects.toEqual(codeIs("MESH_PATH_NOT_FOUND"));
    const { entry } = await commit(begun, FULL + 10, claim);
    expect(entry).toMatchObject({ sizeBytes: FULL + 10, fileId: begun.fileId });
    const opened = await world.call<FileOpenResponse>("file.open", { path: "/film" });
    expect(opened).toMatchObject({ chunkCount: 2, inline: false, firstChunk: 0 });
    expect(opened.chunks).toEqual(claim.chunks);
    expect(await world.rows("u/")).toEqual([]);
    expect(await world.rows("q/")).toEqual([]);
    expect(world.coordinator.status().uploadsOpen).toBe(0);
  });

  it("of nothing is an empty file", async () => {
    const { entry } = await commit(await world.begin("/empty"), 0, {});
    expect(entry.sizeBytes).toBe(0);
    const opened = await world.call<FileOpenResponse>("file.open", { path: "/empty" });
    expect(opened).toMatchObject({ inline: true, chunkCount: 0, chunks: [] });
    expect(opened.ticket).toBeUndefined();
  });

  it("goes on after a restart of the coordinator", async () => {
    const begun = await world.begin("/film");
    await world.call("file.segment", {
      fileId: begun.fileId,
      segment: 0,
      ...claimed(begun, 0, SEGMENT),
    });
    await world.restart();
    expect(world.coordinator.status().uploadsOpen).toBe(1);
    const tail = claimed(begun, SEGMENT, 2, 7);
    const sizeBytes = (SEGMENT + 1) * FULL + 7;
    const { entry } = await commit(begun, sizeBytes, { segments: 1, ...tail });
    expect(entry.sizeBytes).toBe(sizeBytes);
  });

  it("of many segments is read page by page, across their borders", async () => {
    const begun = await world.begin("/film");
    const { fileId } = begun;
    for (const segment of [0, 1]) {
      const claim = claimed(begun, segment * SEGMENT, SEGMENT);
      await world.call("file.segment", { fileId, segment, ...claim });
    }
    const last = claimed(begun, 2 * SEGMENT, 3, 9);
    await world.call("file.segment", { fileId, segment: 2, ...last });
    const count = 2 * SEGMENT + 3;
    const { entry } = await commit(begun, (count - 1) * FULL + 9, { segments: 3 });
    const page = (firstChunk: number, chunks: number) =>
      world.call<FileOpenResponse>("file.open", {
        path: "/film",
        firstChunk,
        chunks,
        etag: entry.etag,
      });
    const middle = await page(SEGMENT - 2, 5);
    expect(middle.chunks.map((chunk) => Number.parseInt(chunk.id, 16))).toEqual(
      [0, 1, 2, 3, 4].map((at) => SEGMENT - 2 + at),
    );
    const end = await page(count - 1, SEGMENT);
    expect(end.chunks.map((chunk) => chunk.sizeBytes)).toEqual([9]);
    expect((await page(count, 1)).chunks).toEqual([]);
    await expect(page(count + 1, 1)).rejects.toEqual(codeIs("MESH_RANGE_INVALID"));
  });

  it("answers a repeated segment and a repeated commit like the first ones", async () => {
    const begun = await world.begin("/film");
    const claim = claimed(begun, 0, SEGMENT);
    const segment = { fileId: begun.fileId, segment: 0, ...claim };
    await Promise.all([world.call("file.segment", segment), world.call("file.segment", segment)]);
    await world.call("file.segment", segment);
    const other = { ...segment, ...claimed(begun, 1000, SEGMENT) };
    await expect(world.call("file.segment", other)).rejects.toEqual(codeIs("MESH_BAD_REQUEST"));
    const first = await commit(begun, SEGMENT * FULL, { segments: 1 });
    expect(await commit(begun, SEGMENT * FULL, { segments: 1 })).toEqual(first);
  });
});

describe("what does not fit together", () => {
  const bad = codeIs("MESH_BAD_REQUEST");

  it("is refused: sizes, order, counts", async () => {
    const begun = await world.begin("/film");
    const { fileId } = begun;
    const segment = (number: number, claim: object) =>
      world.call("file.segment", { fileId, segment: number, ...claim });
    await expect(segment(1, claimed(begun, 0, SEGMENT))).rejects.toEqual(bad);
    await expect(segment(0, claimed(begun, 0, SEGMENT + 1))).rejects.toEqual(bad);
    await expect(segment(0, { chunks: [], receipts: [] })).rejects.toEqual(bad);
    const short = claimed(begun, 0, 2);
    short.chunks[0] = { ...(short.chunks[0] as ChunkRef), sizeBytes: 5 };
    await expect(segment(0, short)).rejects.toEqual(bad);
    await expect(commit(begun, 11, claimed(begun, 0, 1, 10))).rejects.toEqual(bad);
    await expect(commit(begun, 10, { ...claimed(begun, 0, 1, 10), segments: 1 })).rejects.toEqual(
      bad,
    );
    await segment(0, claimed(begun, 0, 3));
    // A segment that is not full is the last.
    await expect(segment(1, claimed(begun, 3, 1))).rejects.toEqual(bad);
    const tail = { segments: 1, ...claimed(begun, 3, 1) };
    await expect(commit(begun, 4 * FULL, tail)).rejects.toEqual(bad);
    expect((await commit(begun, 3 * FULL, { segments: 1 })).entry.sizeBytes).toBe(3 * FULL);
  });

  it("is refused when somebody was faster", async () => {
    const ifNew = { path: "/film", ifMatch: "" };
    const begun = await world.call<FileBeginResponse>("file.begin", ifNew);
    await world.put("/film", bytesOf(5, 5));
    await expect(commit(begun, 10, claimed(begun, 0, 1, 10))).rejects.toEqual(
      codeIs("MESH_PATH_CHANGED"),
    );
    await expect(world.call("file.begin", ifNew)).rejects.toEqual(codeIs("MESH_PATH_CHANGED"));
  });
});

describe("receipts", () => {
  const noStorage = codeIs("MESH_NO_STORAGE");

  it("must be there, from enough nodes", async () => {
    const begun = await world.begin("/film");
    const claim = world.place(begun, 0, [bytesOf(100, 1)]);
    await expect(commit(begun, 100, { ...claim, receipts: [] })).rejects.toEqual(noStorage);
    const [first] = claim.receipts;
    await expect(commit(begun, 100, { ...claim, receipts: [first, first] })).rejects.toEqual(
      noStorage,
    );
    await commit(begun, 100, { ...claim, receipts: claim.receipts.slice(0, 2) });
    expect(await world.rows("q/")).toHaveLength(1);
  });

  it("count only when a node made them, for this very chunk of this very file", async () => {
    const begun = await world.begin("/film");
    const { chunks, receipts } = world.place(begun, 0, [bytesOf(100, 1)]);
    const [one, two] = receipts as [ChunkReceipt, ChunkReceipt, ChunkReceipt];
    const attempt = (second: ChunkReceipt) =>
      commit(begun, 100, { chunks, receipts: [one, second] });
    // Forged, one byte off, of another node, of another index, of another size, of another file.
    const forged = Buffer.alloc(16, 7).toString("base64url");
    await expect(attempt({ ...two, receipt: forged })).rejects.toEqual(noStorage);
    await expect(attempt({ ...two, receipt: "" })).rejects.toEqual(noStorage);
    await expect(attempt({ ...two, receipt: one.receipt })).rejects.toEqual(noStorage);
    const node = world.nodes[1];
    const ref = chunks[0];
    if (node === undefined || ref === undefined) throw new Error("the world is too small");
    await expect(attempt({ ...node.receiptFor(begun.fileId, 1, ref), index: 0 })).rejects.toEqual(
      noStorage,
    );
    const longer = { ...ref, sizeBytes: 101 };
    await expect(attempt(node.receiptFor(begun.fileId, 0, longer))).rejects.toEqual(noStorage);
    const replayed = node.receiptFor("f".repeat(32) as FileId, 0, ref);
    await expect(attempt(replayed)).rejects.toEqual(noStorage);
    await expect(
      attempt({ ...two, nodeId: "a".repeat(52) as ChunkReceipt["nodeId"] }),
    ).rejects.toEqual(noStorage);
    expect((await attempt(two)).entry.sizeBytes).toBe(100);
  });

  it("must come from distinct zones while more than one is there", async () => {
    const far = await world.addNode("office");
    const begun = await world.begin("/film");
    const [a, b] = world.nodes as [typeof far, typeof far];
    const parts = [bytesOf(100, 1)];
    const sameSite = world.place(begun, 0, parts, [a, b]);
    await expect(commit(begun, 100, sameSite)).rejects.toEqual(noStorage);
    await world.disconnect(far);
    await commit(begun, 100, sameSite);
    const next = await world.begin("/film-2");
    await commit(next, 100, world.place(next, 0, parts, [a, b]));
    await world.connect(far);
    const last = await world.begin("/film-3");
    await commit(last, 100, world.place(last, 0, parts, [a, far]));
  });

  it("are not needed from more nodes than there are", async () => {
    for (const name of ["node-2", "node-3"]) await world.coordinator.removeNode(name);
    const begun = await world.begin("/film");
    expect(begun.acksNeeded).toBe(1);
    const [only] = world.nodes;
    if (only === undefined) throw new Error("the world is too small");
    await commit(begun, 100, world.place(begun, 0, [bytesOf(100, 1)], [only]));
  });

  it("are hopeless to ask for when too few nodes are there", async () => {
    const [, b, c] = world.nodes;
    if (b === undefined || c === undefined) throw new Error("the world is too small");
    await world.disconnect(b);
    await world.disconnect(c);
    await expect(world.begin("/film")).rejects.toMatchObject({
      code: "MESH_NO_STORAGE",
      message: expect.stringContaining("; 1 is there (node-"),
    });
    await world.connect(b);
    expect((await world.begin("/film")).acksNeeded).toBe(2);
  });
});

describe("who uploads", () => {
  it("is the only one who can go on, and only while it may", async () => {
    const carol = world.person("carol", "/:read+write");
    const dave = world.person("dave", "/:read+write");
    const begun = await world.callAs<FileBeginResponse>(carol, "file.begin", { path: "/film" });
    const { chunks, receipts } = world.place(begun, 0, [bytesOf(100, 1)]);
    const header = { fileId: begun.fileId, sizeBytes: 100, segments: 0, chunks, receipts };
    const unknown = codeIs("MESH_UPLOAD_UNKNOWN");
    await expect(world.callAs(dave, "file.commit", header)).rejects.toEqual(unknown);
    await expect(world.callAs(dave, "file.ticket", header)).rejects.toEqual(unknown);
    await world.callAs(dave, "file.abort", header);
    world.policy.grant(carol, "/:read");
    await expect(world.callAs(carol, "file.commit", header)).rejects.toEqual(
      codeIs("MESH_FORBIDDEN"),
    );
    world.policy.grant(carol, "/:read+write");
    await world.callAs(carol, "file.commit", header);
    await expect(world.callAs(dave, "file.commit", header)).rejects.toEqual(unknown);
  });

  it("gets a ticket for itself, or for the gateway that acts for it", async () => {
    const carol = world.person("carol", "/:read+write");
    const open = async (options: object) => {
      const call = world.coordinator.call(carol, "file.begin", { path: "/f" }, undefined, options);
      return (await call).header as FileBeginResponse;
    };
    const [node] = world.nodes;
    if (node === undefined) throw new Error("the world is too small");
    const check = (ticket: string, holder: ChunkReceipt["nodeId"]) =>
      verifyTicket(ticket, {
        publicKeyDer: world.publicKeyDer,
        nowMs: world.clock.nowMs(),
        epoch: 1,
        holder,
        node: node.nodeId,
      });
    const own = await open({});
    expect(check(own.ticket, carol.nodeId)).toMatchObject({
      operation: "write",
      fileId: own.fileId,
      owner: carol.spiffeId,
    });
    expect(() => check(own.ticket, node.nodeId)).toThrow(/somebody else/);
    const acted = await open({ holder: node.nodeId });
    expect(check(acted.ticket, node.nodeId).owner).toBe(carol.spiffeId);
  });

  it("may have a bounded number of uploads open", async () => {
    const carol = world.person("carol", "/:read+write");
    const begin = () => world.callAs<FileBeginResponse>(carol, "file.begin", { path: "/film" });
    const first = await begin();
    for (let count = 1; count < limits.UPLOADS_OPEN_MAX; count++) await begin();
    await expect(begin()).rejects.toEqual(codeIs("MESH_LIMIT"));
    expect((await world.begin("/film")).acksNeeded).toBe(2);
    await world.callAs(carol, "file.abort", { fileId: first.fileId });
    await begin();
  });
});

describe("an upload that ends without a file", () => {
  it("leaves nothing behind after it was aborted or forgotten", async () => {
    const begun = await world.begin("/film");
    const { fileId } = begun;
    const parts = Array.from({ length: 3 }, (_, at) => bytesOf(FULL, at));
    const claim = world.place(begun, 0, parts);
    await world.call("file.segment", { fileId, segment: 0, ...claim });
    await world.clock.advance(limits.UPLOAD_IDLE_MS_MAX - 1);
    await world.call("file.ticket", { fileId });
    await world.clock.advance(limits.UPLOAD_IDLE_MS_MAX);
    await world.runWorker("uploads");
    expect(world.coordinator.status().uploadsOpen).toBe(1);
    await world.clock.advance(1);
    await world.runWorker("uploads");
    expect(world.coordinator.status().uploadsOpen).toBe(0);
    await expect(commit(begun, 3 * FULL, { segments: 1 })).rejects.toEqual(
      codeIs("MESH_UPLOAD_UNKNOWN"),
    );
    await world.clock.advance(60_000);
    await world.runWorker("garbage");
    for (const kind of ["u/", "m/", "r/", "d/", "q/", "x/"])
      expect(await world.rows(kind)).toEqual([]);
    for (const node of world.nodes) expect(node.chunks.size).toBe(0);
  });
});
