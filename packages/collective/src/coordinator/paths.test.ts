import { limits, MeshError } from "@hearthmesh/core";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { childPath, isWithin, nameOf, parentOf, parsePath } from "./paths.js";

function codeOf(text: unknown): string {
  try {
    parsePath(text);
    return "fine";
  } catch (error) {
    return error instanceof MeshError ? error.code : "another error";
  }
}

describe("parsePath", () => {
  it("takes plain paths, and one slash at the end", () => {
    expect(parsePath("/")).toEqual({ text: "/", names: [] });
    expect(parsePath("/a/b")).toEqual({ text: "/a/b", names: ["a", "b"] });
    expect(parsePath("/a/b/").text).toBe("/a/b");
    expect(parsePath("/Ünïcode 🔥/..hidden/...").names).toEqual(["Ünïcode 🔥", "..hidden", "..."]);
  });

  it.each([
    ["relative", "a/b"],
    ["empty", ""],
    ["two slashes", "/a//b"],
    ["two slashes at the end", "/a//"],
    ["only slashes", "//"],
    ["dot dot", "/a/../b"],
    ["dot", "/a/./b"],
    ["NUL", "/a\0b"],
    ["line feed", "/a\nb"],
    ["delete", "/a\u007f"],
    ["C1 control", "/a\u0085"],
    ["half a surrogate pair", "/a\ud83d"],
    ["another member", "/@bob/garage"],
    ["keys", "/kv/app"],
    ["the root of keys", "/kv"],
    ["not text", 7],
    ["nothing", undefined],
  ])("refuses %s", (_what, text) => {
    expect(codeOf(text)).toBe("MESH_PATH_INVALID");
  });

  it("refuses what is too long, in bytes and not in characters", () => {
    expect(codeOf(`/${"n".repeat(255)}`)).toBe("fine");
    expect(codeOf(`/${"n".repeat(256)}`)).toBe("MESH_PATH_TOO_LONG");
    expect(codeOf(`/${"ü".repeat(128)}`)).toBe("MESH_PATH_TOO_LONG");
    expect(codeOf("/a".repeat(limits.PATH_DEPTH_MAX))).toBe("fine");
    expect(codeOf("/a".repeat(limits.PATH_DEPTH_MAX + 1))).toBe("MESH_PATH_TOO_LONG");
    expect(codeOf(`/${"n".repeat(200)}`.repeat(21))).toBe("MESH_PATH_TOO_LONG");
    expect(codeOf("x".repeat(10_000_000))).toBe("MESH_PATH_TOO_LONG");
  });

  it("gives each place one spelling, for any text", () => {
    fc.assert(
      fc.property(fc.string({ unit: "binary", maxLength: 40 }), (text) => {
        let parsed: ReturnType<typeof parsePath>;
        try {
          parsed = parsePath(`/${text}`);
        } catch (error) {
          expect(error).toBeInstanceOf(MeshError);
          return;
        }
        expect(parsePath(parsed.text)).toEqual(parsed);
        expect(parsed.text).toBe(`/${parsed.names.join("/")}`);
        expect(parsed.names.some((name) => ["", ".", ".."].includes(name))).toBe(false);
        if (parsed.names.length > 0) {
          expect(childPath(parentOf(parsed).text, nameOf(parsed))).toBe(parsed.text);
        }
      }),
    );
  });
});

describe("isWithin", () => {
  it("goes by names, not by characters", () => {
    const within = (a: string, b: string) => isWithin(parsePath(a), parsePath(b));
    expect(within("/", "/a")).toBe(true);
    expect(within("/a", "/a")).toBe(true);
    expect(within("/a", "/a/b")).toBe(true);
    expect(within("/a", "/ab")).toBe(false);
    expect(within("/a/b", "/a")).toBe(false);
  });
});
