import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { decodeStep, encodeStep, type RingStep } from "./step-codec.js";

const BOUNDS = { slots: 3, contextTokens: 64, rowsMax: 8, vocabularySize: 100 };

const slot = fc.nat(2);
const step: fc.Arbitrary<RingStep> = fc.oneof(
  fc.record({ action: fc.constantFrom("open" as const, "close" as const), slot }),
  fc.record({ action: fc.constant("truncate" as const), slot, position: fc.nat(64) }),
  fc.record({
    action: fc.constant("compute" as const),
    slot,
    position: fc.nat(56),
    exchange: fc.constantFrom("one-shot" as const, "scatter-gather" as const),
    wanted: fc.nat(1024),
    tokens: fc
      .array(fc.nat(99), { minLength: 1, maxLength: 8 })
      .map((tokens) => Int32Array.from(tokens)),
  }),
);

describe("steps", () => {
  it("are what they were after their way", () => {
    fc.assert(
      fc.property(step, (one) => {
        expect(decodeStep(encodeStep(one), BOUNDS)).toEqual(one);
      }),
    );
  });

  it("of any bytes are within bounds, or refused", () => {
    const mutated = fc
      .tuple(step, fc.array(fc.tuple(fc.nat(47), fc.nat(255)), { maxLength: 4 }))
      .map(([one, changes]) => {
        const bytes = encodeStep(one);
        for (const [at, value] of changes) if (at < bytes.length) bytes[at] = value;
        return bytes;
      });
    fc.assert(
      fc.property(fc.oneof(mutated, fc.uint8Array({ maxLength: 64 })), (bytes) => {
        let one: RingStep;
        try {
          one = decodeStep(bytes, BOUNDS);
        } catch (error) {
          expect(error).toMatchObject({ code: "MESH_RING_FRAME_INVALID" });
          return;
        }
        expect(one.slot).toBeLessThan(BOUNDS.slots);
        if (one.action !== "compute") return;
        expect(one.position + one.tokens.length).toBeLessThanOrEqual(BOUNDS.contextTokens);
        expect(one.tokens.length).toBeLessThanOrEqual(BOUNDS.rowsMax);
        for (const token of one.tokens) expect(token).toBeLessThan(BOUNDS.vocabularySize);
      }),
      { numRuns: 300 },
    );
  });
});
