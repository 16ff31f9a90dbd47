import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { seededRandom } from "./seeded-random.js";

describe("seededRandom", () => {
  it("gives the same numbers for the same seed, and others for another", () => {
    const draw = (seed: string) => {
      const random = seededRandom(seed);
      return [random.float(), random.integer(0, 1e9), Buffer.from(random.bytes(7)).toString("hex")];
    };
    expect(draw("7")).toEqual(draw("7"));
    expect(draw("7")).not.toEqual(draw("8"));
  });

  it("keeps its streams apart: what one draws does not change another", () => {
    const quiet = seededRandom("1").fork("disk");
    const parent = seededRandom("1");
    for (let draw = 0; draw < 100; draw++) parent.fork("network").float();
    parent.bytes(1000);
    const busy = parent.fork("disk");
    expect([busy.float(), busy.float()]).toEqual([quiet.float(), quiet.float()]);
  });

  it("stays in range", () => {
    fc.assert(
      fc.property(
        fc.integer(),
        fc.integer({ min: -50, max: 50 }),
        fc.nat(100),
        (seed, min, span) => {
          const random = seededRandom(seed);
          const value = random.integer(min, min + span);
          const float = random.float();
          return value >= min && value <= min + span && float >= 0 && float < 1;
        },
      ),
    );
  });

  it("spreads evenly enough that no bucket of ten is a fifth off", () => {
    const random = seededRandom("even");
    const buckets = new Array<number>(10).fill(0);
    for (let draw = 0; draw < 20_000; draw++) buckets[random.integer(0, 9)]!++;
    for (const count of buckets) expect(Math.abs(count - 2000)).toBeLessThan(400);
  });

  it("gives as many bytes as asked", () => {
    for (const length of [0, 1, 3, 4, 5, 33])
      expect(seededRandom("b").bytes(length)).toHaveLength(length);
  });

  it("cannot pick from nothing", () => {
    expect(() => seededRandom("p").pick([])).toThrow("nothing to pick");
  });
});
