import { isMeshError } from "@hearthmesh/core";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { leadsAway, pathAt, splitPath } from "./across-path.js";

describe("a path that may lead to another member", () => {
  it("is one of home without the @", () => {
    for (const path of ["/", "/shared/a", "/a@b", "shared", ""]) {
      expect(splitPath(path)).toEqual({ at: "home", path });
    }
  });

  it("names the peer by alias, domain or member, and a path of the peer", () => {
    expect(splitPath("/@")).toEqual({ at: "peers" });
    expect(splitPath("/@/")).toEqual({ at: "peers" });
    expect(splitPath("/@bob")).toEqual({ at: "peer", peer: "bob", path: "/" });
    expect(splitPath("/@bob/")).toEqual({ at: "peer", peer: "bob", path: "/" });
    const film = { at: "peer", path: "/garage/film.mkv" };
    expect(splitPath("/@bob/garage/film.mkv")).toEqual({ ...film, peer: "bob" });
    expect(splitPath("/@garage.bob/garage/film.mkv")).toEqual({ ...film, peer: "garage.bob" });
    expect(splitPath("/@bob/garage/film.mkv/")).toEqual({ ...film, peer: "bob" });
  });

  it.each([
    "/@bob/../carol",
    "/@bob/..",
    "/@bob/.",
    "/@bob//garage",
    "/@bob/garage//",
    "/@//bob",
    "/@../bob",
    "/@.bob",
    "/@bob.",
    "/@Bob/x",
    "/@b\u00f6b/x",
    "/@bob /x",
    "/@bob%2f..",
    "/@bob\\x",
    "/@bob\u0000/x",
    "/@bob/a\nb",
    "/@@bob",
    "/@bob/@carol",
    "/@bob/@",
    "/@bob/kv/x",
    `/@${"b".repeat(300)}`,
  ])("is refused in another spelling: %j", (path) => {
    expect(() => splitPath(path)).toThrow(expect.objectContaining({ code: "MESH_PATH_INVALID" }));
  });

  it("has one spelling for each place, and none that climbs out", () => {
    const part = fc.constantFrom("@", "@bob", "..", ".", "a", "", "/", "@bob/x", "b c");
    fc.assert(
      fc.property(fc.array(part, { maxLength: 6 }), (parts) => {
        const text = `/${parts.join("/")}`;
        try {
          const split = splitPath(text);
          expect(leadsAway(text)).toBe(split.at !== "home");
          if (split.at !== "peer") return;
          const { peer, path } = split;
          expect(path.split("/").slice(1)).not.toContain("..");
          expect(path === "/" || !path.endsWith("/")).toBe(true);
          expect(splitPath(pathAt(peer, path))).toEqual(split);
        } catch (error) {
          if (!isMeshError(error, "MESH_PATH_INVALID")) throw error;
        }
      }),
    );
  });
});
