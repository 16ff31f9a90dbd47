/** Which policy counts, what it asks for, and who keeps the copies: the pure parts. */
import type { FileId } from "@hearthmesh/core";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { chooseFriends } from "./choose-friends.js";
import type { KeptCopy } from "./copy-records.js";
import type { Friend } from "./offer-book.js";
import {
  type CopyPolicy,
  type CopyStrategy,
  friendTarget,
  movedPath,
  nearestPolicy,
  readPolicyRequest,
} from "./policy.js";

const fileId = "0123456789abcdef0123456789abcdef" as FileId;

function policy(path: string, strategy: CopyStrategy, replicas = 3, members = 2): CopyPolicy {
  return { v: 1, path, strategy, replicas, members, setAtMs: 0, setBy: "" };
}

function friend(alias: string, bytes: number, more: Partial<Friend> = {}): Friend {
  const offer = { bytes, usedBytes: 0, withdrawn: false };
  return { trustDomain: `home.${alias}`, alias, offer, heardAtMs: 1, failure: undefined, ...more };
}

function copyAt(alias: string): KeptCopy {
  const times = { madeAtMs: 0, seenAtMs: 0, checkedAtMs: 0 };
  return { member: `home.${alias}`, sealedBytes: 4096, ...times };
}

describe("the policy that counts", () => {
  it("is the nearest one, and never one of a directory with a similar name", () => {
    const policies = [
      policy("/", "media"),
      policy("/photos", "backup"),
      policy("/photos/x", "hybrid"),
    ];
    const found = (path: string) => nearestPolicy(policies, path)?.path;
    expect(found("/photos/x/a")).toBe("/photos/x");
    expect(found("/photos/x")).toBe("/photos/x");
    expect(found("/photos/xy")).toBe("/photos");
    expect(found("/photos2")).toBe("/");
    expect(nearestPolicy(policies.slice(1), "/films")).toBeUndefined();
  });

  it("moves with its directory", () => {
    expect(movedPath("/a/b/c", "/a/b", "/x")).toBe("/x/c");
    expect(movedPath("/a/b", "/a/b", "/x/y")).toBe("/x/y");
  });

  it.each<[CopyStrategy, number, number, number, number]>([
    ["media", 3, 1, 0, 0],
    ["media", 3, 2, 1, 1],
    ["backup", 3, 2, 1, 2],
    ["backup", 2, 2, 1, 1],
    ["backup", 1, 1, 0, 0],
    ["hybrid", 3, 2, 1, 1],
    ["hybrid", 4, 2, 1, 2],
    ["hybrid", 3, 3, 2, 2],
  ])("%s with %i copies in %i homes needs %i at friends, and takes up to %i", (...row) => {
    const [strategy, replicas, members, needed, wanted] = row;
    const target = friendTarget(policy("/", strategy, replicas, members));
    expect(target).toEqual({ needed, wanted });
  });

  it("is refused when nobody can mean it", () => {
    const read = (more: object) => () =>
      readPolicyRequest({
        ...{ path: "/a", strategy: "backup", replicas: undefined, members: undefined },
        ...more,
      });
    const bad = expect.objectContaining({ code: "MESH_BAD_REQUEST" });
    expect(read({})()).toMatchObject({ replicas: 3, members: 2 });
    expect(read({ strategy: "media" })()).toMatchObject({ members: 1 });
    expect(read({ strategy: "__proto__" })).toThrow(bad);
    expect(read({ replicas: 0 })).toThrow(bad);
    expect(read({ replicas: 2, members: 3 })).toThrow(bad);
    expect(read({ path: "/.copies/home.alice" })).toThrow(bad);
    expect(read({ path: "a/../b" })).toThrow(
      expect.objectContaining({ code: "MESH_PATH_INVALID" }),
    );
  });
});

describe("the choice of friends", () => {
  const target = { needed: 1, wanted: 2 };
  const choose = (friends: Friend[], kept: KeptCopy[] = [], sealedBytes = 4096, wants = target) =>
    chooseFriends({ fileId, target: wants, friends, kept, sealedBytes });

  it("takes nobody without room, who withdrew, who failed, or of whom nothing is known", () => {
    const gone = { bytes: 1 << 30, usedBytes: 0, withdrawn: true };
    const friends = [
      friend("full", 4095),
      friend("gone", 0, { offer: gone }),
      friend("away", 1 << 30, { failure: "the line is cut" }),
      friend("new", 0, { offer: undefined }),
      friend("none", 0),
    ];
    const choice = choose(friends);
    expect(choice).toMatchObject({ make: [], remove: [], missing: 1 });
    for (const word of [
      "no room left",
      "withdrawn",
      "the line is cut",
      "not said yet",
      "offers no",
    ])
      expect(choice.reason).toContain(word);
  });

  it("keeps what is there, also where the offer was withdrawn, until another has a copy", () => {
    const withdrawn = friend("bob", 0, { offer: { bytes: 9e9, usedBytes: 0, withdrawn: true } });
    expect(choose([withdrawn], [copyAt("bob")])).toMatchObject({
      make: [],
      remove: [],
      missing: 1,
    });
    const carol = friend("carol", 1 << 30);
    expect(choose([withdrawn, carol], [copyAt("bob")])).toMatchObject({
      make: [carol],
      remove: [],
    });
    const both = choose([withdrawn, carol], [copyAt("bob"), copyAt("carol")]);
    expect(both).toMatchObject({ make: [], remove: ["home.bob"], missing: 0 });
  });

  it("never takes one friend twice, never more than wanted, and never moves for nothing", () => {
    const sizes = fc.array(fc.integer({ min: 0, max: 1 << 20 }), { maxLength: 8 });
    fc.assert(
      fc.property(sizes, fc.nat(4), fc.nat(4), fc.nat(255), (rooms, needed, more, mask) => {
        const friends = rooms.map((bytes, at) => friend(`f${at}`, bytes));
        const kept = friends
          .filter((one, at) => (mask & (1 << at)) !== 0 && (one.offer?.bytes ?? 0) > 0)
          .map(({ alias }) => copyAt(alias));
        const wants = { needed, wanted: needed + more };
        const choice = choose(friends, kept, 4096, wants);
        const at = [...kept.map(({ member }) => member), ...choice.make.map((f) => f.trustDomain)];
        expect(new Set(at).size).toBe(at.length);
        const staying = kept.length - choice.remove.length;
        expect(choice.make.length + Math.min(staying, wants.wanted)).toBeLessThanOrEqual(
          wants.wanted,
        );
        if (kept.length <= wants.wanted) expect(choice.remove).toEqual([]);
        if (choice.missing > 0) expect(choice.remove).toEqual([]);
      }),
    );
  });

  it("gives friends files in proportion to what they offer", () => {
    const friends = [friend("small", 1e9), friend("big", 3e9)];
    const counts = new Map<string, number>();
    for (let number = 0; number < 2000; number++) {
      const id = number.toString(16).padStart(32, "0") as FileId;
      const wants = { needed: 1, wanted: 1 };
      const options = { fileId: id, target: wants, friends, kept: [], sealedBytes: 1 };
      const [first] = chooseFriends(options).make;
      counts.set(first?.alias ?? "", (counts.get(first?.alias ?? "") ?? 0) + 1);
    }
    expect((counts.get("big") ?? 0) / 2000).toBeGreaterThan(0.7);
    expect((counts.get("big") ?? 0) / 2000).toBeLessThan(0.8);
  });
});
