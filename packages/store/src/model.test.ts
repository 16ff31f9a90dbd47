import * as fc from "fast-check";
import { describe, it, vi } from "vitest";
import { matchesModel, memorySubject, sqliteSubject } from "./testing/index.js";

/** Every write waits for the disk, which may be slow and busy. */
vi.setConfig({ testTimeout: 60_000 });

/** The seed is fixed, so that a slow or busy machine runs the same tests. */
const options = { seed: 20_261_121, endOnFailure: false };

describe("random operations", () => {
  it("mean the same on the memory engine, opened twice", async () => {
    await fc.assert(matchesModel(fc, memorySubject), { ...options, numRuns: 20 });
  });

  it("mean the same on the sqlite engine and on the model", async () => {
    await fc.assert(
      matchesModel(fc, () => sqliteSubject()),
      { ...options, numRuns: 80 },
    );
  });
});
