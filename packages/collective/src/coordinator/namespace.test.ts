import type { FileId } from "@hearthmesh/core";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import type { FileListResponse, FileOpenResponse } from "../protocol.js";
import type { Entry } from "../types.js";
import { bytesOf, World } from "./testing/world.js";

let world: World;
beforeEach(async () => {
  world = await World.start({ nodes: 1 });
});
afterEach(() => world.stop());

const codeIs = (code: string) => expect.objectContaining({ code });
const mkdir = (path: string) => world.call<{ entry: Entry }>("file.mkdir", { path });
const stat = (path: string) => world.call<{ entry: Entry }>("file.stat", { path });

async function contentOf(path: string): Promise<Uint8Array> {
  return (await world.coordinator.call(world.operator, "file.open", { path })).body;
}

describe("errors", () => {
  it("says which parent is missing, in the words of the guide", async () => {
    await expect(world.put("/shared/media/a.txt", bytesOf(5, 1))).rejects.toMatchObject({
      code: "MESH_PARENT_MISSING",
      message: "Parent directory does not exist: /shared",
    });
    await mkdir("/shared");
    await expect(mkdir("/shared/media/films")).rejects.toMatchObject({
      code: "MESH_PARENT_MISSING",
      message: "Parent directory does not exist: /shared/media",
    });
  });

  it("refuses to put, move or remove the root", async () => {
    await expect(world.put("/", bytesOf(1, 1))).rejects.toEqual(codeIs("MESH_IS_A_DIRECTORY"));
    const remove = { path: "/", recursive: true };
    await expect(world.call("file.remove", remove)).rejects.toEqual(codeIs("MESH_PATH_INVALID"));
    const move = { from: "/", to: "/a" };
    await expect(world.call("file.move", move)).rejects.toEqual(codeIs("MESH_PATH_INVALID"));
    expect((await stat("/")).entry).toMatchObject({ path: "/", kind: "directory" });
    expect(await world.call("file.mkdir", { path: "/", parents: true })).toBeDefined();
  });

  it("refuses a path through a file", async () => {
    await world.put("/file", bytesOf(1, 1));
    await expect(stat("/file/below")).rejects.toEqual(codeIs("MESH_NOT_A_DIRECTORY"));
    await expect(world.put("/file/below", bytesOf(1, 1))).rejects.toEqual(
      codeIs("MESH_NOT_A_DIRECTORY"),
    );
    const open = world.call("file.open", { path: "/file/below" });
    await expect(open).rejects.toEqual(codeIs("MESH_NOT_A_DIRECTORY"));
  });

  it("refuses headers that are not of the form", async () => {
    for (const header of [{}, { path: 1 }, { path: null }, { path: ["/a"] }]) {
      await expect(world.call("file.stat", header)).rejects.toEqual(codeIs("MESH_PATH_INVALID"));
    }
    const bad = codeIs("MESH_BAD_REQUEST");
    await expect(world.call("file.list", { path: "/", limit: "7" })).rejects.toEqual(bad);
    await expect(world.call("file.list", { path: "/", after: "a/b" })).rejects.toEqual(bad);
    await expect(world.call("file.mkdir", { path: "/a", parents: "yes" })).rejects.toEqual(bad);
    await expect(world.call("file.ticket", { fileId: "../../x" })).rejects.toEqual(bad);
    await expect(world.call("file.nonsense", {})).rejects.toEqual(codeIs("MESH_FORBIDDEN"));
    await expect(world.call("toString", {})).rejects.toEqual(codeIs("MESH_FORBIDDEN"));
  });
});

describe("conditions", () => {
  it("writes only over what the caller read before", async () => {
    const first = await world.put("/a", bytesOf(10, 1), "");
    await expect(world.put("/a", bytesOf(10, 2), "")).rejects.toEqual(codeIs("MESH_PATH_CHANGED"));
    const second = await world.put("/a", bytesOf(10, 2), first.etag);
    expect(second.etag).not.toBe(first.etag);
    expect(second.createdAtMs).toBe(first.createdAtMs);
    await expect(world.put("/a", bytesOf(10, 3), first.etag)).rejects.toEqual(
      codeIs("MESH_PATH_CHANGED"),
    );
    await expect(world.put("/b", bytesOf(10, 3), "*")).rejects.toEqual(codeIs("MESH_PATH_CHANGED"));
    const remove = { path: "/a", ifMatch: first.etag };
    await expect(world.call("file.remove", remove)).rejects.toEqual(codeIs("MESH_PATH_CHANGED"));
    expect(await contentOf("/a")).toEqual(Buffer.from(bytesOf(10, 2)));
  });

  it("lets one of many that want to create a file have it", async () => {
    const writers = Array.from({ length: 20 }, (_, at) => world.put("/a", bytesOf(10, at), ""));
    const results = await Promise.allSettled(writers);
    const winners = results.flatMap((one, at) => (one.status === "fulfilled" ? [at] : []));
    expect(winners).toHaveLength(1);
    expect(await contentOf("/a")).toEqual(Buffer.from(bytesOf(10, winners[0] ?? -1)));
  });
});

describe("many at once", () => {
  it("leaves one whole file where many write, and sweeps the others", async () => {
    const writers = Array.from({ length: 30 }, (_, at) => world.put("/a", bytesOf(4096, at)));
    const entries = await Promise.all(writers);
    const { entry } = await stat("/a");
    expect(entries.map((one) => one.fileId)).toContain(entry.fileId);
    const opened = await world.call<FileOpenResponse>("file.open", { path: "/a" });
    expect(opened.chunks).toHaveLength(1);
    expect(await world.rows("d/")).toHaveLength(29);
    await world.clock.advance(60_000);
    await world.runWorker("garbage");
    expect(await world.rows("d/")).toEqual([]);
    expect([...(world.nodes[0]?.chunks.keys() ?? [])]).toEqual([opened.chunks[0]?.id]);
  });

  it("never makes a circle of two directories that move into each other", async () => {
    for (let round = 0; round < 10; round++) {
      await world.call("file.mkdir", { path: `/r${round}/a`, parents: true });
      await mkdir(`/r${round}/b`);
      const moves = await Promise.allSettled([
        world.call("file.move", { from: `/r${round}/a`, to: `/r${round}/b/a` }),
        world.call("file.move", { from: `/r${round}/b`, to: `/r${round}/a/b` }),
      ]);
      expect(moves.filter((move) => move.status === "fulfilled")).toHaveLength(1);
      const { entries } = await world.call<FileListResponse>("file.list", { path: `/r${round}` });
      expect(entries).toHaveLength(1);
    }
  });

  it("loses no file that was acknowledged in a directory that is removed as empty", async () => {
    for (let round = 0; round < 20; round++) {
      await mkdir("/d");
      const put = world.put("/d/file", bytesOf(5, round));
      const remove = world.call("file.remove", { path: "/d" });
      const [written, removed] = await Promise.allSettled([put, remove]);
      expect([written.status, removed.status].sort()).toEqual(["fulfilled", "rejected"]);
      if (written.status === "fulfilled") {
        expect((await stat("/d/file")).entry.fileId).toBe(written.value.fileId);
        await world.call("file.remove", { path: "/d", recursive: true });
      }
    }
  });

  it("moves a file to one place only", async () => {
    await world.put("/a", bytesOf(5, 1));
    const targets = Array.from({ length: 10 }, (_, at) => `/target-${at}`);
    const moves = await Promise.allSettled(
      targets.map((to) => world.call("file.move", { from: "/a", to })),
    );
    expect(moves.filter((move) => move.status === "fulfilled")).toHaveLength(1);
    const { entries } = await world.call<FileListResponse>("file.list", { path: "/" });
    expect(entries).toHaveLength(1);
  });
});

describe("renaming a directory", () => {
  it("takes everything along in two rows", async () => {
    await world.call("file.mkdir", { path: "/a/b/c", parents: true });
    await world.put("/a/b/c/file", bytesOf(7, 1));
    const before = (await world.store.status()).keys;
    await world.call("file.move", { from: "/a", to: "/z" });
    expect((await world.store.status()).keys).toBe(before);
    expect((await stat("/z/b/c/file")).entry.sizeBytes).toBe(7);
    await expect(stat("/a/b/c/file")).rejects.toEqual(codeIs("MESH_PATH_NOT_FOUND"));
    await expect(world.put("/a/b/c/file", bytesOf(7, 1))).rejects.toEqual(
      codeIs("MESH_PARENT_MISSING"),
    );
  });
});

describe("listing", () => {
  it("pages through names in the order of their bytes", async () => {
    const names = ["z", "a", "ä", "a b", "a.b", "🔥", "\u{ffff}", "B", "aa"];
    for (const name of names) await world.put(`/${name}`, bytesOf(1, 1));
    const seen: string[] = [];
    let after: string | undefined;
    for (let more = true; more; ) {
      const header = { path: "/", limit: 2, ...(after === undefined ? {} : { after }) };
      const page = await world.call<FileListResponse>("file.list", header);
      expect(page.entries.length).toBeLessThanOrEqual(2);
      seen.push(...page.entries.map((entry) => entry.name));
      after = seen.at(-1);
      more = page.more;
    }
    expect(seen).toEqual([...names].sort((a, b) => Buffer.compare(Buffer.from(a), Buffer.from(b))));
  });

  it("ends a page before its JSON is too long for a message", async () => {
    const deep = `/${"d".repeat(250)}`.repeat(15);
    await world.call("file.mkdir", { path: deep, parents: true });
    for (let at = 0; at < 120; at++) await world.put(`${deep}/${at}`, bytesOf(1, at));
    const first = await world.call<FileListResponse>("file.list", { path: deep });
    expect(first.more).toBe(true);
    expect(Buffer.byteLength(JSON.stringify(first))).toBeLessThan(400 * 1024);
    const after = first.entries.at(-1)?.name;
    const rest = await world.call<FileListResponse>("file.list", { path: deep, after });
    expect(first.entries.length + rest.entries.length).toBe(120);
  });
});

describe("a store that another writer touched", () => {
  it("is found out by the compares, and the change is made on what is there now", async () => {
    const { entry } = await mkdir("/d");
    // Behind the back of the coordinator's cache the directory becomes another row.
    const key = `f/${"0".repeat(32)}/d`;
    const row = await world.store.get(key);
    if (row === undefined) throw new Error("the row is missing");
    await world.store.transact({ success: [{ type: "put", key, value: row.value }] });
    await world.put("/d/file", bytesOf(3, 1));
    expect(await world.rows(`f/${entry.fileId as FileId}/`)).toHaveLength(1);
    await world.store.transact({ success: [{ type: "delete", key }] });
    await expect(world.put("/d/other", bytesOf(3, 1))).rejects.toEqual(
      codeIs("MESH_PARENT_MISSING"),
    );
  });
});
