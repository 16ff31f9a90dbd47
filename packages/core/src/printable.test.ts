import fc from "fast-check";
import { expect, it } from "vitest";
import { printable, printableJson } from "./printable.js";

const HARMFUL = [
  "\u001b[2J",
  "\u007f",
  "\u0085",
  "\u009b2J",
  "\u2028",
  "\u2029",
  "\u202e",
  "\u2066",
];

it("makes JSON that says the same and holds nothing that a terminal obeys", () => {
  const unit = fc.constantFrom(...HARMFUL, '"', "\\", "a", "ü", "\u{1f525}");
  fc.assert(
    fc.property(fc.dictionary(fc.string({ unit }), fc.string({ unit })), (value) => {
      const text = printableJson(JSON.stringify(value));
      expect(printable(text)).toBe(text);
      expect(JSON.parse(text)).toEqual(value);
    }),
  );
  expect(printableJson(JSON.stringify("\u009b2J"))).toBe('"\\u009b2J"');
});
