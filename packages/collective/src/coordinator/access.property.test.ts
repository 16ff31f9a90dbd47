/** Every method against the rule in the fewest words, for random grants over one small tree. */
import { isMeshError } from "@hearthmesh/core";
import type { Principal, Right } from "@hearthmesh/identity";
import fc from "fast-check";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { FileListResponse } from "../protocol.js";
import { bytesOf, World } from "./testing/world.js";

const DIRECTORIES = ["/a", "/a/b", "/a/b/c", "/a/ab", "/b", "/b/a", "/ab"];
const FILES = ["/a/f", "/a/b/f", "/a/b/c/f", "/b/f", "/b/a/f", "/f"];
const MISSING = ["/a/b/none", "/none", "/none/f", "/b/none/f", "/ab/none"];
const PATHS = ["/", ...DIRECTORIES, ...FILES, ...MISSING];
const RIGHTS: readonly Right[] = ["read", "write", "delete"];

let world: World;
let people = 0;
beforeAll(async () => {
  world = await World.start({ nodes: 1 });
  for (const path of DIRECTORIES) await world.call("file.mkdir", { path });
  for (const path of FILES) await world.put(path, bytesOf(5, 1));
});
afterAll(() => world.stop());

interface Given {
  readonly path: string;
  readonly rights: readonly Right[];
  readonly deny: boolean;
}
const given = fc.array(
  fc.record({
    path: fc.constantFrom(...PATHS),
    rights: fc.subarray([...RIGHTS], { minLength: 1 }),
    deny: fc.boolean(),
  }),
  { maxLength: 4 },
);

/** Walk up from the path, and take what the first level says. */
function may(all: readonly Given[], path: string, right: Right): boolean {
  for (let at = path; ; at = at.slice(0, at.lastIndexOf("/")) || "/") {
    const here = all.filter((one) => one.path === at && one.rights.includes(right));
    if (here.length > 0) return here.every((one) => !one.deny);
    if (at === "/") return false;
  }
}

const isWithin = (top: string, path: string) =>
  top === path || top === "/" || path.startsWith(`${top}/`);

/** Something is granted on the path itself or below it. */
function isWay(all: readonly Given[], path: string): boolean {
  return all.some(
    (one) =>
      !one.deny &&
      isWithin(path, one.path) &&
      one.rights.some((right) => may(all, one.path, right)),
  );
}

const isShown = (all: readonly Given[], path: string) => may(all, path, "read") || isWay(all, path);

async function codeOf(who: Principal, method: string, header: object): Promise<string> {
  try {
    await world.callAs(who, method, header, bytesOf(1, 1));
    return "done";
  } catch (error) {
    if (isMeshError(error)) return error.code;
    throw error;
  }
}

function personWith(all: readonly Given[]): Principal {
  const texts = all.map(
    ({ path, rights, deny }) => `${deny ? "!" : ""}${path}:${rights.join("+")}`,
  );
  return world.person(`person-${++people}`, ...texts);
}

describe("with any grants", () => {
  it("a listing shows what may be seen, and nothing else", async () => {
    const check = async (all: readonly Given[]) => {
      const who = personWith(all);
      for (const path of ["/", ...DIRECTORIES]) {
        const page = await world
          .callAs<FileListResponse>(who, "file.list", { path })
          .catch((error: unknown) => {
            expect([path, error]).toEqual([
              path,
              expect.objectContaining({ code: "MESH_FORBIDDEN" }),
            ]);
            return undefined;
          });
        expect([path, page !== undefined]).toEqual([path, isShown(all, path)]);
        const prefix = path === "/" ? path : `${path}/`;
        const expected = [...DIRECTORIES, ...FILES].filter(
          (one) => one.startsWith(prefix) && !one.slice(prefix.length).includes("/"),
        );
        const shown = page?.entries.map((entry) => entry.path) ?? [];
        if (page !== undefined) {
          expect(shown.sort()).toEqual(expected.filter((one) => isShown(all, one)).sort());
        }
      }
    };
    await fc.assert(fc.asyncProperty(given, check), { numRuns: 60 });
  });

  it("nothing tells what is there from what is not, where nothing may be seen", async () => {
    const looks = ["file.stat", "file.open", "file.list"];
    const check = async (all: readonly Given[]) => {
      const who = personWith(all);
      for (const path of PATHS) {
        for (const method of looks) {
          const code = await codeOf(who, method, { path });
          const hidden = method === "file.open" ? !may(all, path, "read") : !isShown(all, path);
          if (hidden) expect([method, path, code]).toEqual([method, path, "MESH_FORBIDDEN"]);
          else if (may(all, path, "read"))
            expect([path, code]).not.toEqual([path, "MESH_FORBIDDEN"]);
        }
        if (!may(all, path, "write")) {
          for (const method of ["file.put", "file.begin", "file.mkdir"]) {
            expect([path, await codeOf(who, method, { path })]).toEqual([path, "MESH_FORBIDDEN"]);
          }
          const from = "/a/f";
          expect(await codeOf(who, "file.move", { from, to: path })).toBe("MESH_FORBIDDEN");
        }
        if (!may(all, path, "delete")) {
          expect(await codeOf(who, "file.remove", { path, recursive: true })).toBe(
            "MESH_FORBIDDEN",
          );
          expect(await codeOf(who, "file.move", { from: path, to: "/x" })).toBe("MESH_FORBIDDEN");
        }
      }
    };
    await fc.assert(fc.asyncProperty(given, check), { numRuns: 40 });
  });

  it("a tree with a part that is denied is neither moved nor removed", async () => {
    const check = async (all: readonly Given[]) => {
      const who = personWith(all);
      const wholly = (right: Right) =>
        PATHS.filter((one) => isWithin("/a", one)).every((one) => may(all, one, right));
      if (wholly("delete") && wholly("read")) return;
      const to = "/moved";
      const code = await codeOf(who, "file.move", { from: "/a", to });
      expect(code).toBe("MESH_FORBIDDEN");
      if (wholly("delete")) return;
      const removed = await codeOf(who, "file.remove", { path: "/a", recursive: true });
      expect(removed).toBe("MESH_FORBIDDEN");
    };
    await fc.assert(fc.asyncProperty(given, check), { numRuns: 100 });
  });
});
