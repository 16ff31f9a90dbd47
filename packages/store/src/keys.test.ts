import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { boundsOf, compareKeys, contains } from "./keys.js";

const text = fc.string({ unit: "binary", maxLength: 6 });

describe("the order of keys", () => {
  it("is that of their UTF-8 bytes", () => {
    fc.assert(
      fc.property(text, text, (a, b) => {
        expect(Math.sign(compareKeys(a, b))).toBe(Buffer.compare(Buffer.from(a), Buffer.from(b)));
      }),
    );
  });
});

describe("the bounds of a prefix", () => {
  it("hold exactly the keys that start with it", () => {
    const last = fc.constantFrom("", "\ud7ff", "\uffff", "\u{10ffff}", "\u{10ffff}\u{10ffff}");
    fc.assert(
      fc.property(fc.tuple(text, last), text, text, ([head, tail], suffix, other) => {
        const prefix = head + tail;
        const bounds = boundsOf({ prefix });
        expect(contains(bounds, prefix + suffix)).toBe(true);
        expect(contains(bounds, other)).toBe(other.startsWith(prefix));
      }),
    );
  });

  it("have no end behind the last character", () => {
    expect(boundsOf({ prefix: "\u{10ffff}" }).end).toBeUndefined();
    expect(boundsOf({ prefix: "" }).end).toBeUndefined();
    expect(boundsOf({ prefix: "\ud7ff" }).end).toBe("\ue000");
  });
});
