import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { describePlan, type FaultPlanOptions, planFaults } from "./faults.js";
import { seededRandom } from "./seeded-random.js";

const options: FaultPlanOptions = {
  coordinator: "coordinator",
  storage: ["alpha", "beta", "gamma", "delta"],
  clients: ["alice", "bob"],
  durationMs: 60_000,
  count: 30,
  damagedDisksMax: 1,
};

describe("planFaults", () => {
  it("is decided by the seed", () => {
    const plan = (seed: string) => describePlan(planFaults(seededRandom(seed), options));
    expect(plan("1")).toEqual(plan("1"));
    expect(plan("1")).not.toEqual(plan("2"));
  });

  it("never damages more disks than the design promises to survive", () => {
    fc.assert(
      fc.property(fc.nat(), fc.integer({ min: 0, max: 2 }), (seed, damagedDisksMax) => {
        const { faults } = planFaults(seededRandom(seed), { ...options, damagedDisksMax });
        const damaged = new Set(
          faults.flatMap(({ fault }) =>
            ["flipBits", "wipe", "readErrors"].includes(fault.kind) && "host" in fault
              ? [fault.host]
              : [],
          ),
        );
        return damaged.size <= damagedDisksMax;
      }),
    );
  });

  it("leaves somebody on both sides of a partition, and is in order of time", () => {
    fc.assert(
      fc.property(fc.nat(), (seed) => {
        const { faults } = planFaults(seededRandom(seed), options);
        const hosts = 1 + options.storage.length + options.clients.length;
        const times = faults.map(({ atMs }) => atMs);
        expect(times).toEqual(times.toSorted((a, b) => a - b));
        for (const { fault } of faults) {
          if (fault.kind === "partition") {
            expect(fault.hosts.length).toBeGreaterThan(0);
            expect(fault.hosts.length).toBeLessThan(hosts);
          }
        }
      }),
    );
  });

  it("keeps to the kinds it was given", () => {
    const plan = planFaults(seededRandom("k"), { ...options, kinds: ["kill"] });
    expect(new Set(plan.faults.map(({ fault }) => fault.kind))).toEqual(new Set(["kill"]));
    expect(describePlan(planFaults(seededRandom("n"), { ...options, count: 0 }))).toEqual([
      "no faults",
    ]);
  });
});
