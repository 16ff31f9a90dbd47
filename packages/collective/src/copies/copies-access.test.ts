/** Who may do what under `/.copies`. */
import type { NodeId, TrustDomain } from "@hearthmesh/core";
import { type Principal, RIGHTS, type Right } from "@hearthmesh/identity";
import { describe, expect, it } from "vitest";
import { CopiesAccess, type CopyRoom } from "./copies-access.js";

const rooms = new Map<string, CopyRoom>([
  ["garage.bob", {}],
  ["office.carol", { withdrawnAtMs: 1 }],
]);
/** Everything else is allowed to everybody here: what is refused is refused by the rule. */
const access = new CopiesAccess({ authorize: () => undefined, visible: () => true }, (domain) =>
  rooms.get(domain),
);

function principal(
  kind: Principal["kind"],
  domain: string,
  more: Partial<Principal> = {},
): Principal {
  return {
    kind,
    spiffeId: `spiffe://${domain}/x/y`,
    trustDomain: domain as TrustDomain,
    name: "y",
    nodeId: "n" as NodeId,
    serial: "1",
    notAfterMs: 1,
    ...more,
  };
}

function rightsOf(who: Principal, path: string): Right[] {
  return RIGHTS.filter((right) => {
    try {
      access.authorize(who, path, right);
      return true;
    } catch {
      return false;
    }
  });
}

const bob = principal("foreign", "garage.bob", { foreignKind: "coordinator" });
const carol = principal("foreign", "office.carol", { foreignKind: "coordinator" });
const dave = principal("foreign", "home.dave", { foreignKind: "coordinator" });
const operator = principal("coordinator", "home.alice");

describe("what peers keep here", () => {
  it("is for the coordinator of that very domain, while an offer stands", () => {
    expect(rightsOf(bob, "/.copies/garage.bob/ab/x")).toEqual(["read", "write", "delete"]);
    expect(rightsOf(carol, "/.copies/office.carol/ab/x")).toEqual(["read", "delete"]);
    expect(rightsOf(dave, "/.copies/home.dave/ab/x")).toEqual([]);
  });

  it("is for nobody else: not by a clever name, not by a person, not by a grant on /", () => {
    for (const path of [
      "/.copies",
      "/.copies/garage.bo",
      "/.copies/garage.bob2/x",
      "/.copies/office.carol/x",
      "/.copies/garage",
    ]) {
      expect(rightsOf(bob, path)).toEqual([]);
    }
    const own = "/.copies/garage.bob/x";
    expect(rightsOf(principal("foreign", "garage.bob", { foreignKind: "person" }), own)).toEqual(
      [],
    );
    expect(rightsOf(principal("foreign", "garage.bob", { foreignKind: "node" }), own)).toEqual([]);
    expect(rightsOf(principal("person", "home.alice"), own)).toEqual([]);
    // A person of this home whose certificate claims another domain's name is still no coordinator.
    expect(rightsOf(principal("person", "garage.bob"), own)).toEqual([]);
  });

  it("can be looked at and removed by the operator, who writes only the directories", () => {
    expect(rightsOf(operator, "/.copies/garage.bob")).toContain("write");
    expect(rightsOf(operator, "/.copies/garage.bob/x")).not.toContain("write");
    expect(rightsOf(operator, "/.copies/garage.bob/x")).toContain("delete");
  });

  it("is not shown in the listing of the root, to nobody", () => {
    for (const who of [operator, bob, principal("person", "home.alice")]) {
      expect(access.visible(who, "/.copies")).toBe(false);
    }
    expect(access.visible(bob, "/.copies/garage.bob/x")).toBe(true);
    expect(access.visible(carol, "/.copies/garage.bob/x")).toBe(false);
    expect(access.visible(principal("person", "home.alice"), "/.copiesx")).toBe(true);
  });
});
