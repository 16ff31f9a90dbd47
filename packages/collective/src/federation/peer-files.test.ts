/** One peer over ways that the test breaks. */
import { asUnsent, MeshError, silentLogger } from "@hearthmesh/core";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { IdleClock } from "../client/testing/idle-clock.js";
import type { Entry } from "../types.js";
import { AwayFiles } from "./away-files.js";
import { FederatedFiles } from "./federated-files.js";
import { type FileOperations, PeerFiles, type PeerWay, type WayFiles } from "./peer-files.js";
import { WayMemory } from "./way-memory.js";

const CONTENT = "0123456789";
const away = () => asUnsent(new MeshError("MESH_UNREACHABLE", { message: "refused" }));
const broken = () => new MeshError("MESH_UNREACHABLE", { message: "the link broke" });

function entryOf(path: string, etag = "v1"): Entry {
  return {
    path,
    name: path.slice(path.lastIndexOf("/") + 1),
    kind: "file",
    fileId: "1".repeat(32) as Entry["fileId"],
    sizeBytes: CONTENT.length,
    createdAtMs: 1,
    modifiedAtMs: 1,
    owner: "",
    etag,
  };
}

/** A way with files in memory, which can be told to fail. */
class TestWay implements PeerWay {
  readonly calls: string[] = [];
  openError: (() => MeshError) | undefined;
  callError: (() => MeshError) | undefined;
  /** A read breaks after so many bytes. */
  breaksAfter = Number.POSITIVE_INFINITY;
  etag = "v1";
  /** Bytes that a write takes before `callError`. */
  takes = 0;
  written: string | undefined;

  constructor(readonly name: string) {}

  async open(): Promise<WayFiles> {
    this.calls.push("open");
    if (this.openError !== undefined) throw this.openError();
    return {
      stat: async (path) => this.#call("stat", entryOf(path, this.etag)),
      listPage: async (path, { after } = {}) => {
        const all = ["a", "b", "c"].map((name) => entryOf(`${path}/${name}`));
        const left = all.filter(({ name }) => after === undefined || name > after);
        const page = { entries: left.slice(0, 1), more: left.length > 1 };
        return this.#call(`list ${after ?? ""}`, page);
      },
      read: async (path, options = {}) => {
        const { start = 0, endInclusive = CONTENT.length } = options;
        const entry = this.#call(`read ${start}`, entryOf(path, this.etag));
        return { entry, stream: this.#bytes(CONTENT.slice(start, endInclusive + 1)) };
      },
      write: async (path, source, options) => this.#write(path, source, options?.onProgress),
      makeDirectory: async () => this.#call("mkdir", undefined),
      move: async (from, to) => this.#call(`move ${from} ${to}`, undefined),
      remove: async () => this.#call("remove", 1),
    };
  }

  #call<Answer>(what: string, answer: Answer): Answer {
    this.calls.push(what);
    if (this.callError !== undefined) throw this.callError();
    return answer;
  }

  async *#bytes(text: string): AsyncGenerator<Uint8Array, void, undefined> {
    let given = 0;
    for (const byte of Buffer.from(text)) {
      if (given++ >= this.breaksAfter) throw broken();
      yield Uint8Array.of(byte);
    }
  }

  async #write(
    path: string,
    source: AsyncIterable<Uint8Array>,
    onProgress: ((progress: { bytesSafe: number }) => void) | undefined,
  ): Promise<Entry> {
    const taken: Uint8Array[] = [];
    for await (const piece of source) {
      taken.push(piece);
      if (this.callError !== undefined && taken.length > this.takes) throw this.callError();
      if (this.takes > 0) onProgress?.({ bytesSafe: taken.length });
    }
    this.written = Buffer.concat(taken).toString();
    return this.#call("write", entryOf(path));
  }
}

let straight: TestWay;
let api: TestWay;
let home: TestWay;
let memory: WayMemory;
let files: PeerFiles;
let clock: IdleClock;

afterEach(() => clock.stop());
beforeEach(() => {
  clock = new IdleClock();
  [straight, api, home] = [new TestWay("straight"), new TestWay("its API"), new TestWay("home")];
  memory = new WayMemory();
  const ways = [straight, api, home];
  files = new PeerFiles({
    ...{
      peer: "bob",
      trustDomain: "garage.bob",
      ways,
      memory,
      clock,
      log: silentLogger,
    },
  });
});

async function text(stream: AsyncIterable<Uint8Array>): Promise<string> {
  let all = "";
  for await (const piece of stream) all += Buffer.from(piece).toString();
  return all;
}
const read = async (path: string, options = {}) => text((await files.read(path, options)).stream);
async function* source() {
  for (const part of ["one ", "two ", "three"]) yield Buffer.from(part);
}

describe("looking at the files of a peer", () => {
  it("goes the shortest way, and remembers the one that works", async () => {
    straight.openError = away;
    expect((await files.stat("/x")).path).toBe("/x");
    await files.stat("/x");
    expect([straight.calls, api.calls]).toEqual([["open"], ["open", "stat", "open", "stat"]]);
  });

  it("passes on what the peer says, with its name before it, and asks nobody else", async () => {
    straight.callError = () => new MeshError("MESH_FORBIDDEN", { message: "carol may not" });
    await expect(files.stat("/x")).rejects.toMatchObject({
      code: "MESH_FORBIDDEN",
      message: "bob: carol may not",
      details: { peer: "bob" },
    });
    expect(api.calls).toEqual([]);
    straight.callError = () => new MeshError("MESH_QUOTA", { message: "10 GB of home.alice" });
    await expect(files.stat("/x")).rejects.toMatchObject({ message: "10 GB of home.alice" });
  });

  it("names every way when none leads there, and tells distrust rather than absence", async () => {
    for (const way of [straight, api, home]) way.openError = away;
    await expect(files.stat("/x")).rejects.toMatchObject({
      code: "MESH_UNREACHABLE",
      message: "bob: it cannot be reached (straight: refused; its API: refused; home: refused)",
    });
    api.openError = () => new MeshError("MESH_CERT_UNTRUSTED", { message: "who are you" });
    await expect(files.stat("/x")).rejects.toMatchObject({ code: "MESH_CERT_UNTRUSTED" });
  });

  it("lists page by page, each by the way that works then", async () => {
    const names: string[] = [];
    for await (const { name } of files.list("/garage")) {
      names.push(name);
      straight.openError = away;
    }
    expect(names).toEqual(["a", "b", "c"]);
    expect(api.calls).toContain("list a");
  });

  it("takes no answer that is not one", async () => {
    const lying: WayFiles = {
      ...(await straight.open()),
      stat: async () => entryOf("/etc/passwd"),
      listPage: async () => ({ entries: [entryOf("/elsewhere/a")], more: false }),
      read: async () => undefined as never,
      remove: async () => Number.NaN,
    };
    const way: PeerWay = { name: "straight", open: async () => lying };
    const parts = { memory, clock, log: silentLogger };
    const options = { peer: "bob", trustDomain: "garage.bob", ...parts };
    const liar = new PeerFiles({ ...options, ways: [way] });
    const protocol = { code: "MESH_PROTOCOL", message: expect.stringMatching(/^bob: it answered/) };
    await expect(liar.stat("/x")).rejects.toMatchObject(protocol);
    await expect(liar.listPage("/x")).rejects.toMatchObject(protocol);
    await expect(liar.read("/x")).rejects.toMatchObject(protocol);
    await expect(liar.remove("/x")).rejects.toMatchObject(protocol);
  });
});

describe("a read from a peer", () => {
  it("goes on by another way, at the byte where it stopped", async () => {
    straight.breaksAfter = 4;
    api.breaksAfter = 2;
    expect(await read("/film")).toBe(CONTENT);
    expect([api.calls.at(-1), home.calls.at(-1)]).toEqual(["read 4", "read 6"]);
    // Names still go straight; the bytes have another way now.
    expect(memory.order("garage.bob", [straight, api, home], "names", 0)[0]).toBe(straight);
  });

  it("keeps to its range, also after a break", async () => {
    straight.breaksAfter = 2;
    expect(await read("/film", { start: 3, endInclusive: 7 })).toBe("34567");
    expect(api.calls.at(-1)).toBe("read 5");
  });

  it("does not go on in another file", async () => {
    straight.breaksAfter = 4;
    api.etag = "v2";
    await expect(read("/film")).rejects.toMatchObject({ code: "MESH_PATH_CHANGED" });
  });

  it("waits for a peer that starts anew, as long as nobody refuses it", async () => {
    const ways = [straight, api, home];
    straight.breaksAfter = 4;
    for (const way of ways) {
      const openOf = way.open.bind(way);
      let attempts = 0;
      way.open = async () => {
        if (straight.calls.length > 1 && attempts++ < 5) throw away();
        return openOf();
      };
    }
    expect(await read("/film")).toBe(CONTENT);
    for (const way of ways) way.breaksAfter = 1;
    const { stream } = await files.read("/film");
    for (const way of ways) {
      way.open = async () => {
        throw new MeshError("MESH_CERT_UNTRUSTED", { message: "no peer any longer" });
      };
    }
    const startMs = clock.monotonicMs();
    await expect(text(stream)).rejects.toMatchObject({ code: "MESH_CERT_UNTRUSTED" });
    expect(clock.monotonicMs()).toBe(startMs);
  });

  it("ends when no way gives another byte, and never with a part", async () => {
    for (const way of [straight, api, home]) way.breaksAfter = 0;
    await expect(read("/film")).rejects.toMatchObject({
      code: "MESH_UNREACHABLE",
      message: expect.stringMatching(/straight: .*its API: .*home: /),
    });
    for (const way of [straight, api, home]) way.breaksAfter = 1;
    expect(await read("/film")).toBe(CONTENT);
  });
});

describe("a change at a peer", () => {
  it("is made by another way only when it surely was not made", async () => {
    straight.callError = away;
    await files.makeDirectory("/x");
    expect(api.calls).toEqual(["open", "mkdir"]);
    api.callError = broken;
    await expect(files.remove("/x")).rejects.toMatchObject({
      code: "MESH_UNREACHABLE",
      hint: expect.stringContaining("mesh stat"),
      details: { undone: false },
    });
    expect(home.calls).toEqual([]);
  });

  it("writes the whole file by the next way when nothing of it was safe", async () => {
    straight.callError = () => asUnsent(new MeshError("MESH_NO_STORAGE"));
    await files.write("/f", source());
    expect(api.written).toBe("one two three");
  });

  it("does not write again what may be there, or what it cannot begin anew", async () => {
    straight.callError = broken;
    await expect(files.write("/f", source())).rejects.toMatchObject({
      message: expect.stringContaining("broke off before the answer came"),
    });
    straight.callError = away;
    straight.takes = 2;
    memory.worked("garage.bob", "straight", "bytes");
    await expect(files.write("/f", source())).rejects.toMatchObject({
      message: expect.stringContaining("nothing of it is there"),
      details: { undone: true },
    });
    expect([api.written, home.written]).toEqual([undefined, undefined]);
  });
});

describe("the tree of all members", () => {
  const at = (name: string) => ({ trustDomain: `${name}.home`, files });
  const own = { stat: async (path: string) => entryOf(path) } as unknown as FileOperations;
  const tree = () =>
    new FederatedFiles(
      own,
      new AwayFiles({
        names: async () => ["carol", "bob"],
        open: async (name) => {
          if (name !== "mallory") return at(name === "garage.bob" ? "bob" : name);
          throw new MeshError("MESH_PEER_UNKNOWN");
        },
      }),
    );

  it("shows peers as directories, and entries by the path that was asked for", async () => {
    const names: string[] = [];
    for await (const { path } of tree().list("/@")) names.push(path);
    expect(names).toEqual(["/@bob", "/@carol"]);
    expect(await tree().stat("/@")).toMatchObject({ path: "/@", kind: "directory" });
    expect(await tree().stat("/@bob/a/b")).toMatchObject({ path: "/@bob/a/b", name: "b" });
    expect(await tree().stat("/@garage.bob/a")).toMatchObject({ path: "/@garage.bob/a" });
    expect(await tree().stat("/a")).toMatchObject({ path: "/a" });
    const listed: string[] = [];
    for await (const { path } of tree().list("/@bob/garage")) listed.push(path);
    expect(listed[0]).toBe("/@bob/garage/a");
  });

  it("pages through the peers", async () => {
    const peers = new AwayFiles({ names: async () => ["carol", "bob"], open: async () => at("x") });
    const first = await peers.listPage("/@", { limit: 1 });
    expect([first.entries[0]?.name, first.more]).toEqual(["@bob", true]);
    const second = await peers.listPage("/@", { limit: 1, after: "@bob" });
    expect([second.entries[0]?.name, second.more]).toEqual(["@carol", false]);
  });

  it("moves within one member, and never from one to another", async () => {
    await tree().move("/@bob/a", "/@garage.bob/b");
    expect(straight.calls.at(-1)).toBe("move /a /b");
    const pairs = [
      ["/@bob/a", "/a"],
      ["/a", "/@bob/a"],
      ["/@bob/a", "/@carol/a"],
    ] as const;
    for (const [from, to] of pairs) {
      await expect(tree().move(from, to)).rejects.toMatchObject({ code: "MESH_ACROSS_MEMBERS" });
    }
  });

  it("says that somebody is no peer, and that /@ is only a list", async () => {
    const stat = tree().stat("/@mallory/x");
    await expect(stat).rejects.toMatchObject({ code: "MESH_PEER_UNKNOWN" });
    const invalid = { code: "MESH_PATH_INVALID" };
    await expect(tree().makeDirectory("/@")).rejects.toMatchObject(invalid);
    await expect(tree().remove("/@")).rejects.toMatchObject(invalid);
    await expect(tree().stat("/@bob/../x")).rejects.toMatchObject(invalid);
  });
});
