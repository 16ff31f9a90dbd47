import { SYMPTOMS } from "@hearthmesh/healing";
import { expect, it } from "vitest";
import { LOOP_BUSY_PART_MAX } from "./limits.js";
import { loadFact } from "./loop-monitor.js";

const node = { nodeId: "abc", name: "a" };
const at = (busyPart: number) =>
  loadFact({ durationMs: 1_000, lagP99Ms: 5, lagMaxMs: 9, cpuPart: busyPart, busyPart }, 3, node);

it("is told of before the loop is saturated: by then requests have waited for long", () => {
  // What a request waits, by what it takes, in a queue with arrivals by chance.
  const waits = (busyPart: number) => busyPart / (1 - busyPart);
  expect(waits(LOOP_BUSY_PART_MAX)).toBeGreaterThan(2);
  expect(waits(LOOP_BUSY_PART_MAX)).toBeLessThan(10);
  expect(at(0.5).verdict).toBe("well");
  expect(at(0.8).verdict).toBe("well");
  expect(at(0.9)).toMatchObject({ verdict: "ill", values: { busyPart: 0.9, waiting: 3 } });
  expect(at(0.9).evidence).toContain("(mark: 85 %), with 3 requests of other nodes under way");
});

it("means what is measured: this process, not the disks of the machine", () => {
  expect(SYMPTOMS["load-high"].meaning).toMatch(/this process/i);
  expect(SYMPTOMS["load-high"].meaning).not.toMatch(/disk/);
});
