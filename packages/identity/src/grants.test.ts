import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { findGrantExcess, grantsCover } from "./grant-cover.js";
import {
  evaluateGrants,
  isDeniedBelow,
  isVisible,
  mayTraverse,
  namesLeadingTo,
} from "./grant-evaluate.js";
import { parseGrantPath } from "./grant-path.js";
import { checkGrant, formatGrant, parseGrant, RIGHTS } from "./grant-text.js";
import type { Grant } from "./types.js";

const grantsOf = (...texts: string[]) => texts.map(parseGrant);
const allowed = (grants: Grant[], path: string, right: (typeof RIGHTS)[number], nowMs = 0) =>
  evaluateGrants(grants, path, right, nowMs).allowed;

const path = fc
  .array(fc.constantFrom("a", "b", "ab"), { maxLength: 3 })
  .map((names) => `/${names.join("/")}`);
const grant: fc.Arbitrary<Grant> = fc.record(
  {
    path,
    rights: fc
      .subarray([...RIGHTS], { minLength: 1 })
      .map((rights) => RIGHTS.filter((right) => rights.includes(right))),
    effect: fc.constantFrom("allow" as const, "deny" as const),
    notAfterMs: fc.integer({ min: 0, max: 3 }),
  },
  { requiredKeys: ["path", "rights", "effect"] },
);
const grants = fc.array(grant, { maxLength: 5 });
const right = fc.constantFrom(...RIGHTS);

describe("grants as text", () => {
  it.each([
    ["/shared:read+write", "/shared:read+write"],
    ["/media:r", "/media:read"],
    ["/backup:rw", "/backup:read+write"],
    [" /a/b/:Read + delete ", "/a/b:read+delete"],
    ["/:all", "/:all"],
    ["/x:rwds", "/x:all"],
    ["!/shared/private:write", "!/shared/private:write"],
    ["/with:colon:read", "/with:colon:read"],
    ["/a:r until 2027-01-02", "/a:read until 2027-01-02T00:00:00.000Z"],
  ])("%j is %s", (text, canonical) => {
    expect(formatGrant(parseGrant(text))).toBe(canonical);
  });

  it.each([
    ["", "no rights"],
    ["/shared", "no rights"],
    ["read", "no rights"],
    ["/shared:", '"" is not a right'],
    ["/shared:execute", '"execute" is not a right'],
    ["/shared:read+", '"" is not a right'],
    ["/shared:read,write", "is not a right"],
    ["shared:read", "does not start with /"],
    ["/a/../b:read", "the part .."],
    ["/a//b:read", "an empty part"],
    ["/a\0b:read", "a control character"],
    [`/${"x".repeat(256)}:read`, "a name in it is too long"],
    [`${"/x".repeat(65)}:read`, "too deep"],
    ["/a:r until 2027-13-99", "not a date"],
  ])("%j is refused: %s", (text, reason) => {
    expect(() => parseGrant(text)).toThrow(
      expect.objectContaining({
        code: expect.stringMatching(/MESH_(BAD_REQUEST|PATH_INVALID)/),
        message: expect.stringContaining(reason),
      }),
    );
  });

  it("is read back as it was written", () => {
    fc.assert(
      fc.property(grant, (value) => {
        expect(parseGrant(formatGrant(value))).toEqual(value);
        expect(checkGrant(JSON.parse(JSON.stringify(value)))).toEqual(value);
      }),
    );
  });

  it("is checked when it comes as JSON", () => {
    const good = { path: "/a/", rights: ["write", "read"], effect: "allow" };
    expect(checkGrant(good)).toEqual({ path: "/a", rights: ["read", "write"], effect: "allow" });
    for (const wrong of [
      null,
      "x",
      { ...good, path: 1 },
      { ...good, rights: "read" },
      { ...good, rights: [] },
      { ...good, rights: ["read", "root"] },
      { ...good, effect: "maybe" },
      { ...good, notAfterMs: "soon" },
    ]) {
      expect(() => checkGrant(wrong)).toThrow(
        expect.objectContaining({ code: "MESH_BAD_REQUEST" }),
      );
    }
  });
});

describe("what grants allow", () => {
  it("is nothing without one, and nothing on a path in another spelling", () => {
    expect(allowed([], "/", "read")).toBe(false);
    const all = grantsOf("/:all");
    for (const odd of ["", "a", "/a/", "/a//b", "/a/../b", "/a/.", "/a\0"]) {
      expect(allowed(all, odd, "read")).toBe(false);
    }
    expect(allowed(all, "/a", "read")).toBe(true);
  });

  it("stays within its directory", () => {
    const media = grantsOf("/media:read");
    expect(allowed(media, "/media", "read")).toBe(true);
    expect(allowed(media, "/media/a/b", "read")).toBe(true);
    expect(allowed(media, "/media/a", "write")).toBe(false);
    expect(allowed(media, "/mediapool", "read")).toBe(false);
    expect(allowed(media, "/shared", "read")).toBe(false);
    expect(allowed(media, "/", "read")).toBe(false);
  });

  it("is decided by the nearest, where deny wins, until it ends", () => {
    const list = grantsOf("/a:rw", "!/a/b:write", "/a/b/c:write", "/x:r", "!/x:r");
    expect(allowed(list, "/a/b", "read")).toBe(true);
    expect(allowed(list, "/a/b/z", "write")).toBe(false);
    expect(allowed(list, "/a/b/c/d", "write")).toBe(true);
    expect(allowed(list, "/x", "read")).toBe(false);
    const limited: Grant[] = [{ ...parseGrant("/a:r"), notAfterMs: 10 }];
    expect([allowed(limited, "/a", "read", 10), allowed(limited, "/a", "read", 11)]).toEqual([
      true,
      false,
    ]);
  });

  it("says which grant decided", () => {
    expect(evaluateGrants(grantsOf("!/a:w"), "/a/b", "write", 0)).toMatchObject({
      allowed: false,
      reason: "denied on /a",
    });
    expect(evaluateGrants([], "/a", "write", 0).reason).toBe("no grant for write on /a");
  });

  it("does not depend on the order", () => {
    fc.assert(
      fc.property(grants, path, right, fc.nat(4), (list, at, what, nowMs) => {
        const reversed = [...list].reverse();
        expect(allowed(reversed, at, what, nowMs)).toBe(allowed(list, at, what, nowMs));
      }),
    );
  });

  it("never grows by a denial at the same path or by an end", () => {
    fc.assert(
      fc.property(grants, path, right, fc.nat(4), (list, at, what, nowMs) => {
        const denied: Grant = { path: at, rights: [what], effect: "deny" };
        expect(allowed([...list, denied], at, what, nowMs)).toBe(false);
      }),
    );
  });
});

describe("ways to what is granted", () => {
  it("show the names on the way and nothing else", () => {
    const list = grantsOf("/shared/photos/2026:r", "/shared/docs:w", "/media:r", "!/secret/x:r");
    expect(namesLeadingTo(list, "/", 0)).toEqual(["media", "shared"]);
    expect(namesLeadingTo(list, "/shared", 0)).toEqual(["docs", "photos"]);
    expect(namesLeadingTo(list, "/shared/photos", 0)).toEqual(["2026"]);
    expect(mayTraverse(list, "/shared/photos/2026", 0)).toBe(false);
    expect(mayTraverse(list, "/secret", 0)).toBe(false);
    expect(mayTraverse(list, "/share", 0)).toBe(false);
    expect(mayTraverse(grantsOf("/:all"), "/", 0)).toBe(false);
    expect(mayTraverse([{ ...parseGrant("/a/b:r"), notAfterMs: 1 }], "/a", 2)).toBe(false);
    expect(mayTraverse(grantsOf("/a/b:r", "!/a/b:r"), "/a", 0)).toBe(false);
  });
});

describe("what may be seen, and what is whole", () => {
  it("hides what no right leads to, and finds denials inside", () => {
    const list = grantsOf(
      "/shared:rd",
      "!/shared/private:all",
      "/shared/private/mine:r",
      "/drop:w",
    );
    const seen = ["/", "/shared", "/shared/a", "/shared/private", "/shared/private/mine", "/drop"];
    for (const at of seen) expect([at, isVisible(list, at, 0)]).toEqual([at, true]);
    for (const at of ["/shared/private/x", "/other", "/dro", "/drop/of-somebody"]) {
      expect([at, isVisible(list, at, 0)]).toEqual([at, false]);
    }
    expect(isDeniedBelow(list, "/shared", "delete", 0)).toBe(true);
    expect(isDeniedBelow(list, "/shared/private", "delete", 0)).toBe(false);
    expect(isDeniedBelow(grantsOf("/a:d", "!/a/b:w"), "/a", "write", 0)).toBe(true);
    expect(isDeniedBelow(grantsOf("/a:d", "!/a/b:w"), "/a", "delete", 0)).toBe(false);
    const ended: Grant[] = [...grantsOf("/a:d"), { ...parseGrant("!/a/b:d"), notAfterMs: 1 }];
    expect(isDeniedBelow(ended, "/a", "delete", 2)).toBe(false);
  });
});

describe("passing grants on", () => {
  it("covers exactly what the parent allows, everywhere and at every time", () => {
    const parent = grantsOf("/shared:rw", "!/shared/private:r");
    expect(grantsCover(parent, grantsOf("/shared/photos:r"), 0)).toBe(true);
    expect(grantsCover(parent, grantsOf("/shared:r"), 0)).toBe(false);
    expect(grantsCover(parent, grantsOf("/shared:r", "!/shared/private:r"), 0)).toBe(true);
    expect(grantsCover(parent, grantsOf("/shared:w"), 0)).toBe(true);
    expect(grantsCover(parent, grantsOf("/:r"), 0)).toBe(false);
    expect(findGrantExcess(parent, grantsOf("/media:r"), 5)).toEqual({
      path: "/media",
      right: "read",
      atMs: 5,
    });
    const ending: Grant[] = [{ ...parseGrant("/shared:r"), notAfterMs: 10 }];
    expect(grantsCover(ending, grantsOf("/shared:r"), 0)).toBe(false);
    expect(grantsCover(ending, ending, 0)).toBe(true);
  });

  it("agrees with trying every path, right and time", () => {
    const paths = ["/", ...["a", "b", "ab"].flatMap((x) => deeper(`/${x}`, 3))];
    fc.assert(
      fc.property(grants, grants, (parent, child) => {
        const exceeds = [0, 1, 2, 3, 4].some((nowMs) =>
          paths.some((at) =>
            RIGHTS.some(
              (what) => allowed(child, at, what, nowMs) && !allowed(parent, at, what, nowMs),
            ),
          ),
        );
        expect(grantsCover(parent, child, 0)).toBe(!exceeds);
      }),
      { numRuns: 300 },
    );
  });
});

function deeper(start: string, levels: number): string[] {
  if (levels === 0) return [start];
  return [start, ...["a", "b", "ab"].flatMap((name) => deeper(`${start}/${name}`, levels - 1))];
}

describe("parseGrantPath", () => {
  it("takes off slashes at the end, and keeps the root", () => {
    expect([parseGrantPath("/a/b///"), parseGrantPath("/"), parseGrantPath("//")]).toEqual([
      "/a/b",
      "/",
      "/",
    ]);
  });
});
