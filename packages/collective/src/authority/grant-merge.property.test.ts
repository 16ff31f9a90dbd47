import {
  evaluateGrants,
  type Grant,
  isDeniedBelow,
  RIGHTS,
  type Right,
} from "@hearthmesh/identity";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { decideHeld, type HeldGrant, mergeHeld } from "./grant-merge.js";

const NAMES = ["a", "b", "ab"];
const PATHS = [
  "/",
  ...NAMES.flatMap((x) => [`/${x}`, ...NAMES.flatMap((y) => [`/${x}/${y}`, `/${x}/${y}/a`])]),
];

const grant = fc.record(
  {
    path: fc.constantFrom(...PATHS),
    rights: fc.subarray([...RIGHTS], { minLength: 1 }),
    effect: fc.constantFrom("allow" as const, "deny" as const),
    notAfterMs: fc.nat(4),
  },
  { requiredKeys: ["path", "rights", "effect"] },
) as fc.Arbitrary<Grant>;
const grants = fc.array(grant, { maxLength: 5 });
const held = fc.array(
  fc.record({ grant, giverHas: grants }, { requiredKeys: ["grant"] }) as fc.Arbitrary<HeldGrant>,
  { maxLength: 6 },
);

/** The rule in the fewest words: walk up from the path, and take what the first level says. */
function oracle(all: readonly HeldGrant[], path: string, right: Right, nowMs: number): boolean {
  const has = (list: readonly Grant[], what: Right): boolean => {
    for (let at = path; ; at = at.slice(0, at.lastIndexOf("/")) || "/") {
      const here = list.filter(
        (one) => one.path === at && one.rights.includes(what) && nowMs <= (one.notAfterMs ?? nowMs),
      );
      if (here.length > 0) return here.every((one) => one.effect === "allow");
      if (at === "/") return false;
    }
  };
  const counted = all.filter(
    ({ grant: one, giverHas }) =>
      giverHas === undefined ||
      one.effect === "deny" ||
      (has(giverHas, right) && has(giverHas, "share")),
  );
  return has(
    counted.map((one) => one.grant),
    right,
  );
}

describe("grants of several origins", () => {
  it("are decided by the nearest path, then by denial, and by what the giver has", () => {
    const path = fc.constantFrom(...PATHS);
    const right = fc.constantFrom(...RIGHTS);
    fc.assert(
      fc.property(held, path, right, fc.nat(5), (all, at, what, nowMs) => {
        expect(decideHeld(all, at, what, nowMs).allowed).toBe(oracle(all, at, what, nowMs));
      }),
      { numRuns: 2000 },
    );
  });

  it("make one list that decides the same, until the moment that it names", () => {
    fc.assert(
      fc.property(held, fc.nat(5), (all, nowMs) => {
        const { grants: merged, validUntilMs } = mergeHeld(all, nowMs);
        for (const atMs of [nowMs, nowMs + 1, nowMs + 2].filter((one) => one <= validUntilMs)) {
          for (const at of PATHS) {
            for (const what of RIGHTS) {
              const { allowed } = evaluateGrants(merged, at, what, atMs);
              expect([at, what, atMs, allowed]).toEqual([
                at,
                what,
                atMs,
                oracle(all, at, what, atMs),
              ]);
            }
          }
        }
      }),
      { numRuns: 400 },
    );
  });

  it("tell truly whether a right is taken away below", () => {
    fc.assert(
      fc.property(held, fc.constantFrom(...RIGHTS), (all, what) => {
        const { grants: merged } = mergeHeld(all, 0);
        for (const at of PATHS.filter((one) => oracle(all, one, what, 0))) {
          const below = PATHS.filter(
            (one) => one !== at && one.startsWith(at === "/" ? at : `${at}/`),
          );
          const isDenied = below.some((one) => !oracle(all, one, what, 0));
          expect([at, isDeniedBelow(merged, at, what, 0)]).toEqual([at, isDenied]);
        }
      }),
      { numRuns: 400 },
    );
  });

  it("end no later than they say", () => {
    fc.assert(
      fc.property(held, fc.constantFrom(...PATHS), fc.constantFrom(...RIGHTS), (all, at, what) => {
        const { allowed, notAfterMs = 5 } = decideHeld(all, at, what, 0);
        if (!allowed) return;
        for (let nowMs = 0; nowMs <= notAfterMs; nowMs++) {
          expect(decideHeld(all, at, what, nowMs).allowed).toBe(true);
        }
      }),
      { numRuns: 1000 },
    );
  });
});
