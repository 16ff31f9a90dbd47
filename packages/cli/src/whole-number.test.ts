import { describe, expect, it } from "vitest";
import { parseWholeNumber } from "./whole-number.js";

describe("a whole number in an option", () => {
  it.each([
    ["1", {}, 1],
    ["0", { least: 0 }, 0],
    ["100", { most: 100 }, 100],
    ["999999999999999", {}, 999_999_999_999_999],
  ])("is taken: %s in %j", (text, range, expected) => {
    expect(parseWholeNumber(text, "--limit", range)).toBe(expected);
  });

  it("is left out", () => {
    expect(parseWholeNumber(undefined, "--limit")).toBeUndefined();
  });

  it.each(["", "0", "-1", "1.5", "1e3", "0x10", " 5", "101", "9999999999999999", "abc"])(
    "names the option and its range for %j",
    (text) => {
      expect(() => parseWholeNumber(text, "--limit", { most: 100 })).toThrow(
        `--limit is a whole number from 1 to 100, not ${JSON.stringify(text)}`,
      );
    },
  );
});
