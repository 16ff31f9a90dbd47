import { systemRandom } from "@hearthmesh/core";
import { describe, expect, it } from "vitest";
import { DrawnIds } from "./drawn-ids.js";

describe("identifiers that are drawn together", () => {
  it("have the length that was asked for, and none comes twice", () => {
    const ids = new DrawnIds(systemRandom(), 6);
    const drawn = Array.from({ length: 1_000 }, () => ids.next());
    expect(new Set(drawn).size).toBe(1_000);
    for (const id of drawn) expect(id).toMatch(/^[0-9a-f]{12}$/);
  });
});
