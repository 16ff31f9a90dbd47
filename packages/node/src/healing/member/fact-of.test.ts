import { describe, expect, it } from "vitest";
import { countText, numberText } from "./fact-of.js";

describe("words of facts", () => {
  it("groups the digits of large numbers", () => {
    const texts = [0, 7, 412, 1_000, 12_345, 1_234_567].map(numberText);
    expect(texts).toEqual(["0", "7", "412", "1,000", "12,345", "1,234,567"]);
  });

  it("counts one thing and many", () => {
    const texts = [1, 2, 1_500].map((count) => countText(count, "chunk"));
    expect(texts).toEqual(["1 chunk", "2 chunks", "1,500 chunks"]);
  });
});
