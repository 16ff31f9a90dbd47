import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { checkEntry, checkPage, exactly, isAfter } from "./peer-answers.js";

const ENTRY = {
  path: "/garage/film.mkv",
  name: "film.mkv",
  kind: "file",
  fileId: "0".repeat(32),
  sizeBytes: 5,
  createdAtMs: 1,
  modifiedAtMs: 2,
  owner: "spiffe://garage.bob/person/bob@garage.bob",
  etag: "e",
};
const PROTOCOL = expect.objectContaining({ code: "MESH_PROTOCOL" });
const named = (name: string) => ({ ...ENTRY, name, path: `/garage/${name}` });
const page = (...names: string[]) => ({ entries: names.map(named), more: true });
const asked = { path: "/garage", after: undefined, limit: 3 };

describe("an entry of a peer", () => {
  it("is taken with its own fields alone", () => {
    expect(checkEntry({ ...ENTRY, secret: 1 }, ENTRY.path)).toEqual(ENTRY);
    const root = { ...ENTRY, path: "/", name: "", kind: "directory" };
    expect(checkEntry(root, "/")).toEqual(root);
  });

  it.each([
    [undefined],
    [null],
    [[]],
    [{ ...ENTRY, path: "/home/alice/secret" }],
    [{ ...ENTRY, path: "/@alice/x" }],
    [{ ...ENTRY, name: "other" }],
    [{ ...ENTRY, kind: "link" }],
    [{ ...ENTRY, sizeBytes: -1 }],
    [{ ...ENTRY, sizeBytes: "5" }],
    [{ ...ENTRY, sizeBytes: Number.NaN }],
    [{ ...ENTRY, etag: "x".repeat(65) }],
    [{ ...ENTRY, owner: 7 }],
    [{ ...ENTRY, owner: "\u001b[2Jnobody" }],
    [{ ...ENTRY, etag: "e\r\nset-cookie: a" }],
    [{ ...ENTRY, modifiedAtMs: 1e300 }],
    [{ ...ENTRY, createdAtMs: 8.64e15 + 1 }],
    [{ ...ENTRY, sizeBytes: 2 ** 53 }],
    [{ ...ENTRY, fileId: "../../x" }],
  ])("is refused when it is not what was asked for: %j", (answer) => {
    expect(() => checkEntry(answer, ENTRY.path)).toThrow(PROTOCOL);
  });
});

describe("a listing of a peer", () => {
  it("goes on, by the bytes of the names", () => {
    expect(checkPage(page("a", "b"), asked)).toMatchObject({ more: true });
    expect(checkPage(page("c"), { ...asked, after: "b" }).entries).toHaveLength(1);
    expect(checkPage({ entries: [], more: true }, asked).more).toBe(false);
    expect(isAfter("\u{1f600}", "\uffff")).toBe(true);
  });

  it.each([
    ["nothing", undefined],
    ["no list", { entries: {}, more: false }],
    ["more than was asked for", page("a", "b", "c", "d")],
    ["a name twice", page("a", "a")],
    ["another order", page("b", "a")],
    ["a way up", page("..")],
    ["a path as a name", page("a/b")],
    ["no name", page("")],
    ["a control character", page("a\u001b[2J")],
    ["an entry of elsewhere", { entries: [{ ...named("a"), path: "/home/a" }], more: false }],
  ])("is refused with %s", (_what, answer) => {
    expect(() => checkPage(answer, asked)).toThrow(PROTOCOL);
  });

  it("never begins again", () => {
    expect(() => checkPage(page("a"), { ...asked, after: "b" })).toThrow(/goes round/);
  });

  it("throws nothing but MESH_PROTOCOL, whatever is answered", () => {
    fc.assert(
      fc.property(fc.anything(), (answer) => {
        try {
          checkPage({ entries: [answer], more: answer }, asked);
        } catch (error) {
          expect(error).toEqual(PROTOCOL);
        }
      }),
    );
  });
});

describe("the bytes of a file", () => {
  const read = async (sizeBytes: number) => {
    const source = async function* () {
      yield Buffer.from("ab");
      yield Buffer.from("cde");
    };
    let text = "";
    for await (const piece of exactly(source(), sizeBytes)) text += piece;
    return text;
  };

  it("are as many as the file has, or it is an error", async () => {
    expect(await read(5)).toBe("abcde");
    await expect(read(6)).rejects.toMatchObject({ code: "MESH_UNREACHABLE" });
    await expect(read(4)).rejects.toMatchObject({ code: "MESH_PROTOCOL" });
  });
});
