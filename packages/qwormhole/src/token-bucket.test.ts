import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { isQWormholeError } from "./errors.js";
import { TokenBucket } from "./token-bucket.js";

/** Sends in virtual time, each message as soon as the bucket allows it. */
function deliver(
  bucket: TokenBucket,
  sizes: () => number,
  startMs: number,
  durationMs: number,
  sendMs = 0,
): { amount: number; asks: number } {
  let nowMs = startMs;
  let amount = 0;
  let asks = 0;
  for (;;) {
    const waitMs = bucket.waitMs(nowMs);
    asks++;
    if (waitMs > 0) {
      nowMs += waitMs;
      if (nowMs > startMs + durationMs) return { amount, asks };
      continue;
    }
    const size = sizes();
    bucket.take(size, nowMs);
    amount += size;
    nowMs += sendMs;
  }
}

/** Repeats the list for ever. */
function cycle(sizes: readonly number[]): () => number {
  let index = 0;
  return () => sizes[index++ % sizes.length] ?? 0;
}

describe("TokenBucket", () => {
  it("delivers 1 MB/s, not twice that, with messages of 64 KB", () => {
    const perSec = 1_000_000;
    const burst = 64 * 1024;
    const durationMs = 60_000;
    const bucket = new TokenBucket({ perSec, burst }, 0);
    const { amount } = deliver(bucket, () => 64 * 1024, 0, durationMs);
    const allowed = (perSec * durationMs) / 1000 + burst;
    expect(amount / allowed).toBeGreaterThan(0.98);
    expect(amount / allowed).toBeLessThan(1.02);
  });

  it("delivers the limit for any mix of sizes, from any start of the clock", () => {
    const property = fc.property(
      fc.array(fc.integer({ min: 1, max: 200_000 }), { minLength: 1, maxLength: 20 }),
      fc.integer({ min: 100_000, max: 10_000_000 }),
      fc.integer({ min: 1, max: 300_000 }),
      fc.double({ min: 0, max: 2e12, noNaN: true }),
      (sizes, perSec, burst, startMs) => {
        // 300 of the largest messages, so that the last one is within the tolerance.
        const durationMs = (300 * 200_000 * 1000) / perSec;
        const mean = sizes.reduce((sum, size) => sum + size, 0) / sizes.length;
        // Tiny messages alone would only make the run long.
        fc.pre(mean > 5_000);
        const bucket = new TokenBucket({ perSec, burst }, startMs);
        const { amount, asks } = deliver(bucket, cycle(sizes), startMs, durationMs);
        const allowed = (perSec * durationMs) / 1000 + burst;
        expect(Math.abs(amount / allowed - 1)).toBeLessThan(0.02);
        // Each wait is over when it says so, give or take one rounding.
        expect(asks).toBeLessThan(3 * (amount / mean) + 10 * sizes.length);
      },
    );
    fc.assert(property, { numRuns: 60 });
  });

  it("never gives more than the rate, the burst and one message in any window", () => {
    const property = fc.property(
      fc.array(fc.tuple(fc.integer({ min: 0, max: 5_000 }), fc.integer({ min: 0, max: 400 })), {
        minLength: 1,
        maxLength: 60,
      }),
      fc.integer({ min: 1, max: 5_000 }),
      (steps, burst) => {
        const perSec = 1_000;
        const bucket = new TokenBucket({ perSec, burst }, 0);
        const sent: { atMs: number; size: number }[] = [];
        let nowMs = 0;
        for (const [size, pauseMs] of steps) {
          nowMs += pauseMs;
          if (bucket.waitMs(nowMs) > 0) continue;
          bucket.take(size, nowMs);
          sent.push({ atMs: nowMs, size });
        }
        sent.forEach((first, from) => {
          let amount = 0;
          for (const { atMs, size } of sent.slice(from)) {
            amount += size;
            const allowed = atMs - first.atMs + burst + size;
            expect(amount).toBeLessThanOrEqual(allowed + 1e-6);
          }
        });
      },
    );
    fc.assert(property);
  });

  it("keeps fractions of tokens: a thousand asks a millisecond lose nothing", () => {
    const bucket = new TokenBucket({ perSec: 3, burst: 10 }, 0);
    bucket.take(10 + 1, 0);
    let nowMs = 0;
    let early = 0;
    for (let step = 1; step <= 300_000; step++) {
      nowMs = step / 1000;
      if (bucket.waitMs(nowMs) === 0) early++;
    }
    expect(early).toBe(0);
    // 300 ms have earned 0.9 of the token that is owed.
    expect(bucket.waitMs(nowMs)).toBeCloseTo(100 / 3, 6);
  });

  it("says 0 or the same wait while the clock stands still", () => {
    const bucket = new TokenBucket({ perSec: 1000, burst: 100 }, 5);
    expect(bucket.waitMs(5)).toBe(0);
    bucket.take(350, 5);
    expect(bucket.waitMs(5)).toBe(250);
    expect(bucket.waitMs(5)).toBe(250);
    expect(bucket.waitMs(255)).toBeGreaterThan(0);
    expect(bucket.waitMs(255.01)).toBe(0);
  });

  it("goes on after a clock that went back", () => {
    const bucket = new TokenBucket({ perSec: 1000, burst: 100 }, 1_000_000);
    bucket.take(150, 1_000_000);
    expect(bucket.waitMs(10)).toBe(50);
    expect(bucket.waitMs(61)).toBe(0);
  });

  it("always has a wait that moves the clock, also far from its zero", () => {
    const bucket = new TokenBucket({ perSec: 1e12, burst: 1e9 }, 2e12);
    bucket.take(1e9, 2e12);
    const waitMs = bucket.waitMs(2e12);
    expect(2e12 + waitMs).toBeGreaterThan(2e12);
    expect(bucket.waitMs(2e12 + waitMs)).toBe(0);
  });

  it("saves no more than the burst, and cuts a wait to the range of a timer", () => {
    const bucket = new TokenBucket({ perSec: 0.001, burst: 1 }, 0);
    expect(bucket.waitMs(1e12)).toBe(0);
    bucket.take(1e9, 1e12);
    expect(bucket.waitMs(1e12)).toBe(2 ** 31 - 1);
  });

  it("refuses numbers that cannot be a rate or an amount", () => {
    const invalid = (make: () => unknown) => {
      expect(make).toThrow(expect.toSatisfy((e) => isQWormholeError(e, "QW_OPTIONS_INVALID")));
    };
    for (const bad of [0, -1, Number.NaN, Number.POSITIVE_INFINITY]) {
      invalid(() => new TokenBucket({ perSec: bad, burst: 1 }, 0));
      invalid(() => new TokenBucket({ perSec: 1, burst: bad }, 0));
    }
    const bucket = new TokenBucket({ perSec: 1, burst: 1 }, 0);
    for (const bad of [-1, Number.NaN, Number.POSITIVE_INFINITY])
      invalid(() => bucket.take(bad, 0));
    bucket.take(0, 0);
    expect(bucket.waitMs(0)).toBe(0);
  });
});
