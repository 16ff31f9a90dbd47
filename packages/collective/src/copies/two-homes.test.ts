/** Alice's files at Bob's: real coordinators and storage nodes of two members in one process. */
import { randomBytes } from "node:crypto";
import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { limits } from "@hearthmesh/core";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import type { RealNode } from "../client/testing/real-node.js";
import type { PolicyExplainResponse, QuotaListResponse } from "../copies-protocol.js";
import type { CopiesStatus } from "./copies.js";
import { Neighbourhood, type TestHome } from "./testing/two-homes.js";

const MIB = 1 << 20;
const GIB = 1 << 30;
const NOTHING = new Uint8Array(0);
const SECRET = "the summer at the lake, and nobody else's business ";

let around: Neighbourhood;
let alice: TestHome;
let bob: TestHome;

beforeEach(async () => {
  around = new Neighbourhood();
  alice = await around.home("home.alice", 3);
  bob = await around.home("garage.bob", 3);
  alice.peers.add("garage.bob");
  bob.peers.add("home.alice");
  bob.offer(alice, GIB);
  await alice.operator.makeDirectory("/photos");
  await counted();
});

afterEach(async () => {
  await around.close();
});

/** A quota can only be kept once the files are counted. */
async function counted(): Promise<void> {
  await bob.run("usage");
  await alice.run("usage");
}

async function* once(bytes: Uint8Array): AsyncGenerator<Uint8Array> {
  yield bytes;
}

async function write(home: TestHome, path: string, bytes: Uint8Array): Promise<void> {
  await home.operator.write(path, once(bytes));
}

async function read(home: TestHome, path: string): Promise<Buffer> {
  const pieces: Uint8Array[] = [];
  for await (const piece of (await home.operator.read(path)).stream) pieces.push(piece);
  return Buffer.concat(pieces);
}

async function copiesAt(home: TestHome, of: TestHome): Promise<string[]> {
  const found: string[] = [];
  const walk = async (path: string) => {
    for await (const entry of home.operator.list(path)) {
      if (entry.kind === "directory") await walk(entry.path);
      else found.push(entry.path);
    }
  };
  await walk(`/.copies/${of.domain}`);
  return found;
}

function backup(path = "/photos"): Promise<unknown> {
  return alice.call("policy.set", { path, strategy: "backup", replicas: 3, members: 2 });
}

function status(): CopiesStatus | undefined {
  return alice.coordinator.status().copies;
}

/** Everything that lies on the disks of a home, and its records. */
async function everythingAt(home: TestHome): Promise<Buffer> {
  const parts: Buffer[] = [];
  for (const name of await readdir(home.directory, { recursive: true, withFileTypes: true })) {
    if (name.isFile()) parts.push(await readFile(join(name.parentPath, name.name)));
  }
  const { entries } = await home.store.range({ prefix: "" });
  for (const { key, value } of entries) parts.push(Buffer.from(key), Buffer.from(value));
  return Buffer.concat(parts);
}

function chunksOf(nodes: readonly RealNode[]): Set<string> {
  return new Set(nodes.flatMap(({ chunks }) => [...chunks.list(undefined, 10_000)]));
}

async function until(holds: () => boolean | Promise<boolean>): Promise<void> {
  for (let round = 0; round < 600; round++) {
    if (await holds()) return;
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  expect(await holds()).toBe(true);
}

describe("a policy that asks for a second home", () => {
  it("brings files to a friend, where nothing but sealed bytes and hidden names lie", async () => {
    await backup();
    const long = Buffer.from(SECRET.repeat(60_000));
    await write(alice, "/photos/lake-diary.txt", long);
    await write(alice, "/photos/short.txt", Buffer.from(SECRET));
    expect(status()).toMatchObject({ lostChunks: 0 });
    await alice.run("copies");
    expect(status()?.files).toBe(0);
    const copies = await copiesAt(bob, alice);
    expect(copies).toHaveLength(2);
    const everything = await everythingAt(bob);
    expect(everything.length).toBeGreaterThan(long.length);
    for (const word of ["summer at the lake", "lake-diary", "short.txt", "/photos"]) {
      expect(everything.includes(word)).toBe(false);
    }
    for (const path of copies) expect(path).toMatch(/^\/\.copies\/home\.alice\/..\/[0-9a-f]{64}$/);
  });

  it("applies to files that were there before, and takes copies away when it goes", async () => {
    await write(alice, "/photos/a", randomBytes(5000));
    await backup("/");
    await alice.run("copies-walk");
    await alice.run("copies");
    expect(await copiesAt(bob, alice)).toHaveLength(1);
    await alice.call("policy.remove", { path: "/" });
    await alice.run("copies-walk");
    expect(await copiesAt(bob, alice)).toHaveLength(0);
  });

  it("moves along with its directory", async () => {
    await backup();
    await alice.operator.move("/photos", "/pictures");
    await write(alice, "/pictures/a", randomBytes(100));
    await alice.run("copies");
    expect(await copiesAt(bob, alice)).toHaveLength(1);
    const header = { path: "/pictures/a" };
    const explained = await alice.call<PolicyExplainResponse>("policy.explain", header);
    expect(explained.policy?.path).toBe("/pictures");
  });

  it("says what files wait for, and unknown as long as nobody has looked", async () => {
    bob.offers.clear();
    await backup();
    await write(alice, "/photos/a", randomBytes(100));
    await alice.run("copies");
    expect(status()).toMatchObject({
      files: 1,
      reasons: [{ reason: expect.stringContaining("bob offers no room"), files: 1 }],
    });
    bob.offer(alice, GIB);
    await alice.run("copies");
    expect(status()).toMatchObject({ files: 0, reasons: [] });
  });

  it("leaves copies of removed files until they are gone for good", async () => {
    await backup();
    await write(alice, "/photos/a", randomBytes(100));
    await write(alice, "/photos/b", randomBytes(100));
    await alice.run("copies");
    await alice.operator.remove("/photos/a");
    await alice.operator.move("/photos/b", "/photos/c");
    await alice.run("copies-walk");
    expect(await copiesAt(bob, alice)).toHaveLength(2);
    await alice.run("copies-walk");
    expect(await copiesAt(bob, alice)).toHaveLength(1);
    await alice.run("copies-walk");
    expect(await copiesAt(bob, alice)).toHaveLength(1);
  });
});

describe("a friend that loses something", () => {
  it("repairs the copies after the loss of a node, without the key", async () => {
    await backup();
    await write(alice, "/photos/film", randomBytes(3 * MIB));
    await alice.run("copies");
    const before = chunksOf(bob.nodes);
    const [lost] = bob.nodes;
    await lost?.stop();
    bob.nodes.shift();
    await bob.addNode();
    await new Promise((resolve) => setTimeout(resolve, 100));
    await until(async () => {
      await bob.run("repair");
      const counts = bob.nodes.map(({ chunks }) => [...chunks.list(undefined, 1000)].length);
      return counts.every((count) => count === before.size);
    });
    expect(chunksOf(bob.nodes)).toEqual(before);
  });

  it("gets another copy for one that is gone or damaged", async () => {
    await backup();
    const content = randomBytes(5000);
    await write(alice, "/photos/a", content);
    await alice.run("copies");
    const [path] = await copiesAt(bob, alice);
    await bob.operator.remove(path ?? "");
    await alice.run("copies-walk");
    expect(status()?.files).toBe(1);
    await alice.run("copies");
    expect(await copiesAt(bob, alice)).toEqual([path]);
  });

  it("is not asked again and again when it does not answer, and nothing is concluded", async () => {
    await backup();
    await write(alice, "/photos/a", randomBytes(5000));
    await alice.run("copies");
    alice.cutOff.add("garage.bob");
    await alice.run("copies-walk");
    expect(status()).toMatchObject({ files: 0, kept: 1 });
    await write(alice, "/photos/b", randomBytes(5000));
    await alice.run("copies");
    expect(status()).toMatchObject({ files: 1 });
    expect(status()?.reasons[0]?.reason).toContain("bob cannot be used");
  });

  it("is written off when it is no peer any more", async () => {
    await backup();
    await write(alice, "/photos/a", randomBytes(5000));
    await alice.run("copies");
    alice.peers.clear();
    await alice.run("copies-walk");
    await alice.run("copies");
    expect(status()).toMatchObject({
      files: 1,
      reasons: [{ reason: "there is no peer", files: 1 }],
    });
  });
});

describe("a home that loses all its storage nodes", () => {
  it("reads on from its friend, and mends itself when there is a node again", async () => {
    await backup();
    const content = randomBytes(2 * MIB + 12_345);
    await write(alice, "/photos/film", content);
    await alice.run("copies");
    for (const node of alice.nodes.splice(0)) await node.stop();
    expect((await read(alice, "/photos/film")).equals(content)).toBe(true);
    for (const { nodeId } of alice.coordinator.nodes()) {
      await alice.coordinator.removeNode(nodeId).catch(() => undefined);
    }
    await alice.addNode();
    await until(async () => {
      await alice.run("repair");
      await alice.run("copies");
      return chunksOf(alice.nodes).size === 3;
    });
    alice.cutOff.add("garage.bob");
    expect((await read(alice, "/photos/film")).equals(content)).toBe(true);
  });
});

describe("a quota", () => {
  it("that is used up names who gave how much, and leaves nothing half-written", async () => {
    bob.offer(alice, 2 * MIB);
    const files = alice.filesAt("garage.bob");
    await alice.run("copies");
    const before = chunksOf(bob.nodes).size;
    const path = "/.copies/home.alice/big";
    const refused = files.write(path, once(randomBytes(5 * MIB)));
    await expect(refused).rejects.toMatchObject({ code: "MESH_QUOTA" });
    await expect(files.stat(path)).rejects.toMatchObject({ code: "MESH_PATH_NOT_FOUND" });
    await files.write("/.copies/home.alice/small", once(randomBytes(MIB)));
    const rest = files.write("/.copies/home.alice/more", once(randomBytes(1.5 * MIB)));
    await expect(rest).rejects.toMatchObject({
      code: "MESH_QUOTA",
      message: expect.stringMatching(/home\.alice .* garage\.bob offers/),
      details: { quotaOf: "home.alice", offeredBy: "garage.bob", quotaBytes: 2 * MIB },
    });
    await until(async () => {
      await bob.run("repair");
      await bob.run("garbage");
      return chunksOf(bob.nodes).size === before + 1;
    });
    const quotas = await bob.call<QuotaListResponse>("quota.list");
    expect(quotas.given).toMatchObject([{ trustDomain: "home.alice", usedBytes: MIB }]);
  });

  it("bounds empty files and directories, which take no bytes of it", async () => {
    bob.offer(alice, MIB);
    const files = alice.filesAt("garage.bob");
    await alice.run("copies");
    const made: Promise<unknown>[] = [];
    for (let number = 0; number < limits.QUOTA_ENTRIES_MIN; number++) {
      const path = `/.copies/home.alice/${number}`;
      made.push(number % 2 === 0 ? files.makeDirectory(path) : files.write(path, once(NOTHING)));
      if (made.length === 64) await Promise.all(made.splice(0));
    }
    const more = "/.copies/home.alice/more";
    await expect(files.makeDirectory(more)).rejects.toMatchObject({ code: "MESH_QUOTA" });
    await expect(files.write(more, once(NOTHING))).rejects.toMatchObject({ code: "MESH_QUOTA" });
  });

  it("that was withdrawn takes no new bytes, gives back what is there and lets it go", async () => {
    await backup();
    await write(alice, "/photos/a", randomBytes(5000));
    await alice.run("copies");
    bob.withdraw(alice);
    await write(alice, "/photos/b", randomBytes(5000));
    await alice.run("copies");
    expect(status()?.reasons[0]?.reason).toContain("bob has withdrawn its offer");
    const [path] = await copiesAt(bob, alice);
    const files = alice.filesAt("garage.bob");
    expect((await files.stat(path ?? "")).sizeBytes).toBe(16_384);
    const more = files.write("/.copies/home.alice/x", once(randomBytes(10)));
    await expect(more).rejects.toMatchObject({ code: "MESH_FORBIDDEN" });
    await files.remove(path ?? "");
    expect(await copiesAt(bob, alice)).toHaveLength(0);
  });

  it("gives room of one's own alone: nobody else sees or touches it", async () => {
    await backup();
    await write(alice, "/photos/a", randomBytes(5000));
    await alice.run("copies");
    const carol = await around.home("office.carol", 0);
    bob.offer(carol, GIB);
    const files = carol.filesAt("garage.bob");
    const [path] = await copiesAt(bob, alice);
    const forbidden = { code: "MESH_FORBIDDEN" };
    await expect(files.stat(path ?? "")).rejects.toMatchObject(forbidden);
    await expect(files.remove(path ?? "")).rejects.toMatchObject(forbidden);
    await expect(
      files.write("/.copies/home.alice/x", once(Buffer.from("x"))),
    ).rejects.toMatchObject(forbidden);
    const names: string[] = [];
    for await (const { name } of bob.operator.list("/")) names.push(name);
    expect(names).not.toContain(".copies");
  });

  it("is for copies that end there: a friend does not copy them on to its friends", async () => {
    const carol = await around.home("office.carol", 1);
    carol.offer(bob, GIB);
    bob.peers.add("office.carol");
    await bob.call("policy.set", { path: "/", strategy: "backup", replicas: 2, members: 2 });
    await backup();
    await write(alice, "/photos/a", randomBytes(5000));
    await alice.run("copies");
    await bob.run("copies-walk");
    await bob.run("copies");
    expect(bob.coordinator.status().copies).toMatchObject({ files: 0, kept: 0 });
    expect(await copiesAt(bob, alice)).toHaveLength(1);
    await write(bob, "/own", randomBytes(100));
    await bob.run("copies");
    expect(bob.coordinator.status().copies).toMatchObject({ files: 0, kept: 1 });
  });

  it("does not let content of two members be one: the same file is stored twice", async () => {
    const content = randomBytes(2 * MIB);
    await bob.operator.makeDirectory("/films");
    await write(bob, "/films/film", content);
    const own = chunksOf(bob.nodes);
    await backup();
    await write(alice, "/photos/film", content);
    await alice.run("copies");
    const all = chunksOf(bob.nodes);
    expect([...all].filter((id) => !own.has(id))).toHaveLength(3);
    const quotas = await bob.call<QuotaListResponse>("quota.list");
    expect(quotas.given[0]).toMatchObject({ usedBytes: 3 * MIB });
  });
});
