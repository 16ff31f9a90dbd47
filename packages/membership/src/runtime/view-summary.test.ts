import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { codeOf, id } from "../testing/wire-fixtures.js";
import {
  compareSummaries,
  decodeSummary,
  encodeSummary,
  hashOfSummary,
  type SummaryEntry,
} from "./view-summary.js";

const entries = fc.uniqueArray(
  fc.record({
    nodeId: fc.nat(30).map(id),
    incarnation: fc.oneof(fc.nat(3), fc.maxSafeNat()),
    state: fc.constantFrom("alive", "suspect", "dead", "left" as const),
  }) as fc.Arbitrary<SummaryEntry>,
  { selector: ({ nodeId }) => nodeId, maxLength: 30 },
);

const mapOf = (list: readonly SummaryEntry[]) => new Map(list.map((item) => [item.nodeId, item]));

describe("the summary of a view", () => {
  it("comes back as it was, and is the same bytes in any order", () => {
    fc.assert(
      fc.property(entries, (list) => {
        const bytes = encodeSummary(list);
        expect(decodeSummary(bytes)).toEqual(mapOf(list));
        expect(hashOfSummary(encodeSummary([...list].reverse()))).toBe(hashOfSummary(bytes));
      }),
    );
  });

  it("is refused when it is damaged", () => {
    const bytes = encodeSummary([{ nodeId: id(1), incarnation: 5, state: "dead" }]);
    const bad = (change: (copy: Uint8Array) => Uint8Array) =>
      codeOf(() => decodeSummary(change(Uint8Array.from(bytes))));
    expect(bad((copy) => copy.subarray(1))).toBe("MESH_BAD_REQUEST");
    expect(bad((copy) => copy.fill(9, 40))).toBe("MESH_BAD_REQUEST");
    expect(bad((copy) => copy.fill(0xff, 32, 40))).toBe("MESH_BAD_REQUEST");
    expect(bad((copy) => new Uint8Array([...copy, ...copy]))).toBe("MESH_BAD_REQUEST");
  });
});

describe("the difference of two views", () => {
  it("is what the one has to tell the other, seen from both sides", () => {
    fc.assert(
      fc.property(entries, entries, (mine, theirs) => {
        const here = compareSummaries(mapOf(mine), mapOf(theirs));
        const there = compareSummaries(mapOf(theirs), mapOf(mine));
        expect([...here.wanted].sort()).toEqual([...there.given].sort());
        expect([...here.given].sort()).toEqual([...there.wanted].sort());
        expect(here.given.filter((nodeId) => here.wanted.includes(nodeId))).toEqual([]);
        const same = compareSummaries(mapOf(mine), mapOf(mine));
        expect(same).toEqual({ wanted: [], given: [], unknown: new Set() });
      }),
    );
  });

  it.each([
    ["a newer word", [2, "alive"], [1, "dead"], "given"],
    ["a worse belief of the same word", [1, "dead"], [1, "suspect"], "given"],
    ["an older word", [1, "dead"], [2, "alive"], "wanted"],
    ["the same", [1, "left"], [1, "left"], "neither"],
  ] as const)("gives %s", (_, mine, theirs, expected) => {
    const entry = ([incarnation, state]: readonly [number, SummaryEntry["state"]]) =>
      mapOf([{ nodeId: id(1), incarnation, state }]);
    const { given, wanted } = compareSummaries(entry(mine), entry(theirs));
    expect(given.length > 0 ? "given" : wanted.length > 0 ? "wanted" : "neither").toBe(expected);
  });

  it("names who is not known there, but not the dead", () => {
    const mine = mapOf([
      { nodeId: id(1), incarnation: 1, state: "alive" },
      { nodeId: id(2), incarnation: 1, state: "dead" },
      { nodeId: id(3), incarnation: 1, state: "left" },
    ]);
    const { given, unknown } = compareSummaries(mine, new Map());
    expect(given).toEqual([id(1), id(3)]);
    expect(unknown).toEqual(new Set([id(1), id(3)]));
    expect(compareSummaries(new Map(), mine).wanted).toEqual([id(1), id(3)]);
  });
});
