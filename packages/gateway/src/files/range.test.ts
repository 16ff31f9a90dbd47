import { isMeshError } from "@hearthmesh/core";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { parseRange } from "./range.js";

describe("parseRange", () => {
  it.each([
    ["bytes=0-0", { start: 0, endInclusive: 0 }],
    ["bytes=5-", { start: 5, endInclusive: 9 }],
    ["bytes=5-99", { start: 5, endInclusive: 9 }],
    ["bytes=-4", { start: 6, endInclusive: 9 }],
    ["bytes=-99", { start: 0, endInclusive: 9 }],
    ["bytes= 1 - 2", { start: 1, endInclusive: 2 }],
    // Ignored, as RFC 9110 allows: the whole file answers these.
    ["bytes=3-2", undefined],
    ["bytes=0-1,3-4", undefined],
    ["lines=0-1", undefined],
    ["bytes=-", undefined],
    ["nonsense", undefined],
    [undefined, undefined],
  ])("reads %s of ten bytes", (header, expected) => {
    expect(parseRange(header, 10)).toEqual(expected);
  });

  it.each(["bytes=10-", "bytes=10-11", "bytes=-0"])("refuses %s of ten bytes", (header) => {
    expect(() => parseRange(header, 10)).toThrow(
      expect.objectContaining({ code: "MESH_RANGE_INVALID" }),
    );
  });

  it("gives a part inside the file, or refuses, for any text", () => {
    const text = fc.oneof(
      fc.string(),
      fc.tuple(fc.nat(30), fc.nat(30)).map(([a, b]) => `bytes=${a}-${b}`),
      fc.nat(30).map((n) => `bytes=-${n}`),
    );
    fc.assert(
      fc.property(text, fc.nat(20), (header, size) => {
        try {
          const range = parseRange(header, size);
          if (range === undefined) return;
          expect(range.start).toBeGreaterThanOrEqual(0);
          expect(range.endInclusive).toBeGreaterThanOrEqual(range.start);
          expect(range.endInclusive).toBeLessThan(size);
        } catch (error) {
          if (!isMeshError(error, "MESH_RANGE_INVALID")) throw error;
        }
      }),
    );
  });
});
