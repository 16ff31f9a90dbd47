import { blake3 } from "@napi-rs/blake-hash";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { chunkIdOf } from "./blake3.js";

const whole = (pieces: readonly Uint8Array[]) => blake3(Buffer.concat(pieces)).toString("hex");

describe("the id of a chunk", () => {
  it("is the published BLAKE3 of its bytes", () => {
    // The test vectors of the BLAKE3 repository: no bytes, and one zero.
    expect(chunkIdOf([])).toMatch(/^af1349b9f5f9a1a6a0404dea36dcc949/);
    expect(chunkIdOf([new Uint8Array(1)])).toMatch(/^2d3adedff11b61f14c886e35afa03673/);
  });

  it("does not depend on how the bytes are cut", () => {
    const size = fc.oneof(
      fc.nat(5000),
      fc.nat(200_000),
      fc.constantFrom(0, 1, 65_535, 65_536, 65_537, 131_072, 196_608),
    );
    fc.assert(
      fc.property(fc.array(size, { maxLength: 12 }), fc.nat(255), (sizes, seed) => {
        const pieces = sizes.map((length, at) => new Uint8Array(length).fill(seed + at));
        expect(chunkIdOf(pieces)).toBe(whole(pieces));
      }),
      { numRuns: 60 },
    );
  });
});
