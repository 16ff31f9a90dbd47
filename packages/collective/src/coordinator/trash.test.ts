import { limits, MeshError } from "@hearthmesh/core";
import { afterEach, describe, expect, it } from "vitest";
import { bytesOf, World } from "./testing/world.js";
import type { TrashEntry } from "./trash.js";

const RETENTION_MS = 600_000;
const FULL = limits.CHUNK_BYTES_MAX;

let world: World;

async function start(trashRetentionMs = RETENTION_MS): Promise<void> {
  world = await World.start({ trashRetentionMs, intervals: { garbageGraceMs: 0 } });
  await world.call("file.mkdir", { path: "/shared" });
}

afterEach(() => world.stop());

async function trash(header: object = {}): Promise<readonly TrashEntry[]> {
  return (await world.call<{ entries: TrashEntry[] }>("file.trash", header)).entries;
}

async function only(): Promise<TrashEntry> {
  const [entry] = await trash();
  if (entry === undefined) throw new Error("the trash is empty");
  return entry;
}

async function codeOf(work: Promise<unknown>): Promise<string> {
  return work.then(
    () => "fine",
    (error: unknown) => (error instanceof MeshError ? error.code : String(error)),
  );
}

describe("what was removed", () => {
  it("can be had back as it was, with its chunks", async () => {
    await start();
    const before = await world.upload("/shared/a", [bytesOf(FULL, 1), bytesOf(9_000, 2)]);
    await world.call("file.remove", { path: "/shared/a" });
    expect(await codeOf(world.call("file.stat", { path: "/shared/a" }))).toBe(
      "MESH_PATH_NOT_FOUND",
    );
    await world.runWorker("repair");
    await world.runWorker("garbage");
    const { id, path, sizeBytes, deletedBy } = await only();
    expect([path, sizeBytes, deletedBy]).toEqual([
      "/shared/a",
      FULL + 9_000,
      world.operator.spiffeId,
    ]);
    const { entry } = await world.call<{ entry: typeof before }>("file.restore", { id });
    expect(entry).toEqual(before);
    expect(await trash()).toEqual([]);
    expect(world.nodes.map((node) => node.chunks.size)).toEqual([2, 2, 2]);
    expect(await world.rows("r/")).toHaveLength(2);
  });

  it("is a whole tree in one entry, which comes back whole", async () => {
    await start();
    await world.call("file.mkdir", { path: "/shared/t/deep", parents: true });
    await world.put("/shared/t/deep/x", bytesOf(100, 1));
    await world.put("/shared/t/y", bytesOf(5_000, 2));
    await world.call("file.remove", { path: "/shared/t", recursive: true });
    await world.runWorker("garbage");
    const [entry, ...others] = await trash();
    expect([entry?.path, entry?.kind, others]).toEqual(["/shared/t", "directory", []]);
    await world.call("file.restore", { id: entry?.id, to: "/shared/u" });
    expect(await codeOf(world.call("file.stat", { path: "/shared/u/deep/x" }))).toBe("fine");
    expect(await codeOf(world.call("file.open", { path: "/shared/u/y" }))).toBe("fine");
  });

  it("goes for good after its time, and its chunks with it", async () => {
    await start();
    await world.put("/shared/a", bytesOf(5_000, 1));
    await world.call("file.remove", { path: "/shared/a" });
    await world.clock.advance(RETENTION_MS - 1_000);
    await world.runWorker("trash");
    expect(await trash()).toHaveLength(1);
    await world.clock.advance(2_000);
    await world.runWorker("trash");
    expect(await trash()).toEqual([]);
    await world.runWorker("garbage");
    expect(await world.rows("r/")).toEqual([]);
    expect(world.nodes.map((node) => node.chunks.size)).toEqual([0, 0, 0]);
  });

  it("keeps its time over a restart of the coordinator", async () => {
    await start();
    await world.put("/shared/a", bytesOf(5_000, 1));
    await world.call("file.remove", { path: "/shared/a" });
    await world.restart();
    const { endsAtMs, deletedAtMs } = await only();
    expect(endsAtMs).toBe(deletedAtMs + RETENTION_MS);
  });

  it("goes at once when that is asked for, and when it is a copy of a peer", async () => {
    await start();
    await world.call("file.mkdir", { path: "/.copies" });
    for (const path of ["/shared/a", "/.copies/b"]) {
      await world.put(path, bytesOf(5_000, 1));
      const permanent = path === "/shared/a";
      await world.call("file.remove", { path, permanent });
    }
    expect(await trash()).toEqual([]);
    expect(await world.rows("d/")).toHaveLength(2);
  });

  it("is emptied by path, by id and by age", async () => {
    await start();
    for (const name of ["a", "b", "c"]) {
      await world.put(`/shared/${name}`, bytesOf(10, 1));
      await world.call("file.remove", { path: `/shared/${name}` });
      await world.clock.advance(1_000);
    }
    const [newest] = await trash();
    expect(newest?.path).toBe("/shared/c");
    const oldBound = { beforeMs: newest?.deletedAtMs };
    expect(await world.call("file.empty", { path: "/elsewhere" })).toEqual({ emptied: 0 });
    expect(await world.call("file.empty", oldBound)).toEqual({ emptied: 2 });
    expect(await world.call("file.empty", { id: newest?.id })).toEqual({ emptied: 1 });
    expect(await codeOf(world.call("file.restore", { id: newest?.id }))).toBe("MESH_NOT_FOUND");
  });

  it("is no file of the namespace, and comes back into its totals", async () => {
    await start();
    await world.put("/shared/a", bytesOf(10, 1));
    await world.runWorker("usage");
    const files = () => world.coordinator.status().totals?.files;
    expect(files()).toBe(1);
    await world.call("file.remove", { path: "/shared/a" });
    expect(files()).toBe(0);
    await world.call("file.restore", { id: (await only()).id });
    expect(files()).toBe(1);
  });

  it("is listed in pages, newest first", async () => {
    await start();
    for (let count = 0; count < 5; count++) {
      await world.put(`/shared/${count}`, bytesOf(10, count));
      await world.call("file.remove", { path: `/shared/${count}` });
      await world.clock.advance(10);
    }
    const names: string[] = [];
    let after: string | undefined;
    do {
      const header = after === undefined ? { limit: 2 } : { limit: 2, after };
      const page = await world.call<{ entries: TrashEntry[]; next?: string }>("file.trash", header);
      names.push(...page.entries.map((entry) => entry.name));
      after = page.next;
    } while (after !== undefined);
    expect(names).toEqual(["4", "3", "2", "1", "0"]);
  });
});

it("is not read for somebody who has no right there, however often it is asked for", async () => {
  await start();
  await world.put("/shared/a", bytesOf(10, 1));
  await world.call("file.remove", { path: "/shared/a" });
  const stranger = world.person("mallory");
  const cleaner = world.person("carol", "/shared:delete");
  let reads = 0;
  const range = world.store.range.bind(world.store);
  world.store.range = (...asked) => {
    reads++;
    return range(...asked);
  };
  expect(await world.callAs(stranger, "file.trash", {})).toEqual({ entries: [] });
  expect(await world.callAs(stranger, "file.empty", {})).toEqual({ emptied: 0 });
  expect(reads).toBe(0);
  for (const path of ["/", "/shared", "/shared/a"]) {
    expect(await world.callAs(cleaner, "file.trash", { path })).toMatchObject({
      entries: [{ path: "/shared/a" }],
    });
  }
});

describe("the place", () => {
  it("must be free, and its directory there", async () => {
    await start();
    await world.call("file.mkdir", { path: "/shared/d" });
    await world.put("/shared/d/a", bytesOf(10, 1));
    await world.call("file.remove", { path: "/shared/d/a" });
    await world.put("/shared/d/a", bytesOf(10, 2));
    const { id } = await only();
    expect(await codeOf(world.call("file.restore", { id }))).toBe("MESH_PATH_EXISTS");
    expect(await codeOf(world.call("file.restore", { id, to: "/" }))).toBe("MESH_PATH_EXISTS");
    await world.call("file.remove", { path: "/shared/d", recursive: true });
    expect(await codeOf(world.call("file.restore", { id }))).toBe("MESH_PARENT_MISSING");
    expect(await codeOf(world.call("file.restore", { id, parents: true }))).toBe("fine");
    expect(await codeOf(world.call("file.stat", { path: "/shared/d/a" }))).toBe("fine");
  });

  it("gets one of two that come back to it", async () => {
    await start();
    for (const seed of [1, 2]) {
      await world.put("/shared/a", bytesOf(10, seed));
      await world.call("file.remove", { path: "/shared/a" });
    }
    const entries = await trash();
    const codes = entries.map(({ id }) => codeOf(world.call("file.restore", { id })));
    expect((await Promise.all(codes)).sort()).toEqual(["MESH_PATH_EXISTS", "fine"]);
    expect(await trash()).toHaveLength(1);
  });
});

describe("an entry", () => {
  it("comes back once, to whichever place was first, and is not emptied then", async () => {
    await start();
    for (let round = 0; round < 10; round++) {
      await world.put("/shared/a", bytesOf(5_000, round));
      await world.call("file.remove", { path: "/shared/a" });
      const { id } = await only();
      const codes = await Promise.all([
        codeOf(world.call("file.restore", { id, to: "/shared/b" })),
        codeOf(world.call("file.restore", { id, to: "/shared/c" })),
        world.call<{ emptied: number }>("file.empty", { id }).then(
          ({ emptied }) => (emptied === 1 ? "fine" : "MESH_NOT_FOUND"),
          (error: MeshError) => error.code,
        ),
      ]);
      expect(codes.sort()).toEqual(["MESH_NOT_FOUND", "MESH_NOT_FOUND", "fine"]);
      for (const path of ["/shared/b", "/shared/c"]) {
        await world.call("file.remove", { path, permanent: true }).catch(() => undefined);
      }
      expect([await trash(), (await world.rows("d/")).length]).toEqual([[], round + 1]);
    }
  });
});

describe("who", () => {
  it("may not delete a path sees nothing of it in the trash", async () => {
    await start();
    await world.put("/shared/a", bytesOf(10, 1));
    await world.call("file.remove", { path: "/shared/a" });
    const { id } = await only();
    const reader = world.person("carol", "/shared:read+write");
    const asReader = (method: string, header: object) => world.callAs(reader, method, header);
    expect(await asReader("file.trash", {})).toEqual({ entries: [] });
    expect(await asReader("file.empty", {})).toEqual({ emptied: 0 });
    expect(await codeOf(asReader("file.restore", { id }))).toBe("MESH_NOT_FOUND");
    expect(await codeOf(asReader("file.empty", { id }))).toBe("MESH_NOT_FOUND");
    expect(await trash()).toHaveLength(1);
  });

  it("may delete but not read brings it back, and nowhere else to read it", async () => {
    await start();
    await world.put("/shared/a", bytesOf(10, 1));
    await world.call("file.remove", { path: "/shared/a" });
    const { id } = await only();
    await world.call("file.mkdir", { path: "/mine" });
    const mallory = world.person("mallory", "/shared:delete", "/mine:read+write");
    const asMallory = (header: object) => world.callAs(mallory, "file.restore", header);
    expect(await codeOf(asMallory({ id, to: "/mine/a" }))).toBe("MESH_FORBIDDEN");
    expect(await codeOf(asMallory({ id, to: "/mine/../shared/b" }))).toBe("MESH_PATH_INVALID");
    expect(await codeOf(asMallory({ id }))).toBe("fine");
  });

  it("names an id of another form gets no other row", async () => {
    await start();
    for (const id of ["", "../w/garbage", "0".repeat(43), `${"0".repeat(43)}g`]) {
      expect(await codeOf(world.call("file.restore", { id }))).toBe("MESH_BAD_REQUEST");
    }
  });
});
