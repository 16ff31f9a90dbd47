import type { Principal } from "@hearthmesh/identity";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import type { FileListResponse } from "../protocol.js";
import { bytesOf, World } from "./testing/world.js";

let world: World;
let carol: Principal;
beforeEach(async () => {
  world = await World.start({ nodes: 1 });
  await world.call("file.mkdir", { path: "/media/films", parents: true });
  await world.call("file.mkdir", { path: "/shared/private", parents: true });
  await world.put("/media/song", bytesOf(5, 1));
  await world.put("/shared/secret", bytesOf(5, 2));
  await world.put("/shared/private/diary", bytesOf(5, 3));
  carol = world.person("carol", "/media:read");
});
afterEach(() => world.stop());

const forbidden = expect.objectContaining({ code: "MESH_FORBIDDEN" });

async function namesIn(who: Principal, path: string): Promise<string[]> {
  const page = await world.callAs<FileListResponse>(who, "file.list", { path });
  return page.entries.map((entry) => entry.name);
}

describe("a caller with /media:read", () => {
  it("sees its way to what it may read, and nothing beside it", async () => {
    expect(await namesIn(carol, "/")).toEqual(["media"]);
    expect(await namesIn(carol, "/media")).toEqual(["films", "song"]);
    const root = await world.callAs(carol, "file.stat", { path: "/" });
    expect(root).toMatchObject({ entry: { kind: "directory" } });
    await expect(namesIn(carol, "/shared")).rejects.toEqual(forbidden);
  });

  it("changes nothing", async () => {
    const attempts: [string, object, Uint8Array?][] = [
      ["file.put", { path: "/media/new" }, bytesOf(5, 1)],
      ["file.put", { path: "/media/song" }, bytesOf(5, 1)],
      ["file.begin", { path: "/media/new" }],
      ["file.mkdir", { path: "/media/new" }],
      ["file.mkdir", { path: "/media/new/deep", parents: true }],
      ["file.remove", { path: "/media/song" }],
      ["file.move", { from: "/media/song", to: "/media/other" }],
      ["file.move", { from: "/shared/secret", to: "/media/mine" }],
    ];
    for (const [method, header, body] of attempts) {
      await expect(world.callAs(carol, method, header, body)).rejects.toEqual(forbidden);
    }
    expect(await namesIn(world.operator, "/media")).toEqual(["films", "song"]);
  });

  it("cannot tell what is there from what is not", async () => {
    const other = bytesOf(1, 1);
    for (const method of ["file.stat", "file.open", "file.list", "file.remove", "file.put"]) {
      for (const path of ["/shared/secret", "/shared/none", "/none", "/shared/secret/below"]) {
        const attempt = world.callAs(carol, method, { path }, other);
        await expect(attempt, `${method} ${path}`).rejects.toEqual(forbidden);
      }
    }
  });

  it("learns what is missing where it may look", async () => {
    const missing = world.callAs(carol, "file.stat", { path: "/media/none" });
    await expect(missing).rejects.toMatchObject({ code: "MESH_PATH_NOT_FOUND" });
  });
});

describe("grants below a directory", () => {
  it("hide what is denied in a listing", async () => {
    const dave = world.person("dave", "/shared:read", "!/shared/private:read");
    expect(await namesIn(dave, "/shared")).toEqual(["secret"]);
    await expect(namesIn(dave, "/shared/private")).rejects.toEqual(forbidden);
  });

  it("show a file on the way as little as any other", async () => {
    const erin = world.person("erin", "/shared/secret/below:read");
    const attempt = world.callAs(erin, "file.stat", { path: "/shared/secret" });
    await expect(attempt).rejects.toEqual(forbidden);
  });

  it("do not let a denied part out by moving or removing the whole", async () => {
    const dave = world.person("dave", "/:read+write+delete", "!/shared/private:read+write+delete");
    const move = world.callAs(dave, "file.move", { from: "/shared", to: "/mine" });
    await expect(move).rejects.toEqual(forbidden);
    const remove = world.callAs(dave, "file.remove", { path: "/shared", recursive: true });
    await expect(remove).rejects.toEqual(forbidden);
    expect(await namesIn(world.operator, "/shared")).toEqual(["private", "secret"]);
  });

  it("let somebody make the one directory that is granted, and no other", async () => {
    const erin = world.person("erin", "/new/place:read+write");
    const deep = world.callAs(erin, "file.mkdir", { path: "/new/place", parents: true });
    await expect(deep).rejects.toEqual(forbidden);
    await world.call("file.mkdir", { path: "/new" });
    await world.callAs(erin, "file.mkdir", { path: "/new/place" });
    await world.callAs(erin, "file.put", { path: "/new/place/a" }, bytesOf(1, 1));
    expect(await namesIn(erin, "/")).toEqual(["new"]);
    expect(await namesIn(erin, "/new")).toEqual(["place"]);
  });
});

describe("node methods", () => {
  it("are for nodes, over their own links", async () => {
    const header = { roles: ["storage"], site: "home", addresses: [], version: "1" };
    await expect(world.callAs(carol, "node.register", header)).rejects.toEqual(forbidden);
    await expect(world.call("node.register", header)).rejects.toEqual(forbidden);
  });
});

describe("a coordinator that is stopped", () => {
  it("serves nothing", async () => {
    await world.coordinator.stop();
    const attempt = world.call("file.stat", { path: "/" });
    await expect(attempt).rejects.toMatchObject({ code: "MESH_STOPPING" });
  });
});
