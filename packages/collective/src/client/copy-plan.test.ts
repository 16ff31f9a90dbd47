import type { NodeId } from "@hearthmesh/core";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { type CopyCandidate, type CopyState, planCopies } from "./copy-plan.js";

function nodes(text: string): CopyCandidate[] {
  const states: Record<string, CopyState> = {
    u: "untried",
    d: "untried",
    p: "pending",
    s: "stored",
    f: "failed",
  };
  // Each word: name, zone, state (d is down: not usable).
  return text.split(" ").map((word) => ({
    nodeId: word[0] as NodeId,
    zone: word[1] ?? "",
    usable: word[2] !== "d",
    state: states[word[2] ?? ""] ?? "untried",
  }));
}

describe("planCopies", () => {
  it("gives every node of the replica set a copy, and no other", () => {
    expect(planCopies(nodes("a1u b1u c1u d1u"), 3, 2)).toEqual({
      safe: false,
      start: ["a", "b", "c"],
      blocked: false,
    });
  });

  it("is safe with enough copies, and still completes the others", () => {
    expect(planCopies(nodes("a1s b1s c1p d1u"), 3, 2)).toMatchObject({ safe: true, start: [] });
    expect(planCopies(nodes("a1s b1s c1u d1u"), 3, 2)).toMatchObject({ safe: true, start: ["c"] });
  });

  it("uses nodes after the replica set only when it needs them", () => {
    expect(planCopies(nodes("a1f b1p c1p d1u"), 3, 2).start).toEqual([]);
    expect(planCopies(nodes("a1f b1f c1p d1u"), 3, 2).start).toEqual(["d"]);
    expect(planCopies(nodes("a1d b1d c1u d1d e1u"), 3, 2).start).toEqual(["c", "e"]);
  });

  it("wants distinct zones while there are any", () => {
    expect(planCopies(nodes("a1s b1s c2f d2u"), 3, 2)).toMatchObject({ safe: false, start: ["d"] });
    expect(planCopies(nodes("a1s b1s c2f d1u"), 3, 2)).toMatchObject({ safe: true });
    expect(planCopies(nodes("a1s b1s c2f d1u e2d"), 3, 2)).toMatchObject({ safe: true });
  });

  it("says when there is no way forward", () => {
    expect(planCopies(nodes("a1s b1f c1d"), 3, 2)).toEqual({
      safe: false,
      start: [],
      blocked: true,
    });
    expect(planCopies([], 3, 2).blocked).toBe(true);
  });

  it("reaches safety in any order of failures, when enough nodes are well", () => {
    const node = fc.record({ zone: fc.constantFrom("1", "2", "3"), well: fc.boolean() });
    fc.assert(
      fc.property(
        fc.array(node, { minLength: 1, maxLength: 9 }),
        fc.integer({ min: 1, max: 4 }),
        fc.integer({ min: 1, max: 4 }),
        (specs, replicas, acks) => {
          const state = new Map<string, CopyState>();
          const list = () =>
            specs.map((spec, at) => ({
              nodeId: `n${at}` as NodeId,
              zone: spec.zone,
              usable: true,
              state: state.get(`n${at}`) ?? ("untried" as const),
            }));
          for (let step = 0; step < 30; step++) {
            const plan = planCopies(list(), replicas, acks);
            if (plan.safe || plan.blocked) break;
            for (const id of plan.start) state.set(id, "pending");
            const pending = [...state].find(([, one]) => one === "pending");
            if (pending === undefined) break;
            const well = specs[Number(pending[0].slice(1))]?.well === true;
            state.set(pending[0], well ? "stored" : "failed");
          }
          const plan = planCopies(list(), replicas, acks);
          const well = specs.filter((spec) => spec.well);
          expect(plan.safe).toBe(well.length >= acks);
          if (!plan.safe) return;
          const stored = specs.filter((_, at) => state.get(`n${at}`) === "stored");
          const zones = (some: typeof specs) => new Set(some.map((spec) => spec.zone)).size;
          expect(zones(stored)).toBeGreaterThanOrEqual(Math.min(acks, zones(well)));
        },
      ),
    );
  });
});
