import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { BUDGET_COUNT, BUDGET_WINDOW_MS } from "../limits.js";
import { node } from "../testing/ailing-world.js";
import type { RemedyTraits } from "./healer-events.js";
import { RemedyGates } from "./remedy-gates.js";

const WALL_MS = 1_800_000_000_000;
const REDIAL: RemedyTraits = {
  ...{ name: "redial", handles: ["peer-unreachable"], cost: 0, risk: 0, verifyWithinMs: 1_000 },
  rate: { count: 2, windowMs: 60_000 },
};
const symptom = (id: string) => ({
  ...({ kind: "peer-unreachable", subject: node(id), severity: "critical" } as const),
  ...{ sinceMs: 0, evidence: [], values: {} },
});
const now = (monotonicMs: number, wallMs = WALL_MS + monotonicMs) => ({ monotonicMs, wallMs });

function useUp(gates: RemedyGates, nowMs: number): number {
  let count = 0;
  for (let one = 0; gates.whyNot(REDIAL, symptom(`n${one}`), nowMs) === undefined; one++) {
    gates.begin(REDIAL, node(`n${one}`), nowMs);
    gates.settle(node(`n${one}`));
    count++;
  }
  return count;
}

describe("the gates of remedies", () => {
  it("give a daemon that is started again no new budget", () => {
    const first = new RemedyGates();
    expect(useUp(first, 5_000)).toBe(BUDGET_COUNT);
    const record = JSON.parse(JSON.stringify(first.snapshot(now(5_000))));
    // The monotonic clock of the next run begins anew; 7 s went by.
    const next = new RemedyGates();
    next.restore(record, now(100, WALL_MS + 12_000));
    expect(next.budgetLeft(100)).toBe(0);
    expect(next.budgetLeft(100 + BUDGET_WINDOW_MS - 7_001)).toBe(0);
    expect(next.budgetLeft(100 + BUDGET_WINDOW_MS - 7_000)).toBe(BUDGET_COUNT);
  });

  it("keep the rate of a remedy for a subject", () => {
    const first = new RemedyGates();
    for (let time = 0; time < 2; time++) {
      first.begin(REDIAL, node("a"), time);
      first.settle(node("a"));
    }
    const next = new RemedyGates();
    next.restore(first.snapshot(now(1_000)), now(0, WALL_MS + 1_000));
    expect(next.whyNot(REDIAL, symptom("a"), 0)).toContain("used 2 times for node a");
    expect(next.whyNot(REDIAL, symptom("b"), 0)).toBeUndefined();
  });

  it("hold for no longer than their windows when the clock was set back", () => {
    const first = new RemedyGates();
    useUp(first, 5_000);
    const next = new RemedyGates();
    next.restore(first.snapshot(now(5_000)), now(100, WALL_MS - 86_400_000));
    expect(next.budgetLeft(100)).toBe(0);
    expect(next.budgetLeft(100 + BUDGET_WINDOW_MS)).toBe(BUDGET_COUNT);
  });

  it("say the same after they were kept and read again, whatever was used", () => {
    const times = fc.array(fc.record({ subject: fc.nat(40), afterMs: fc.nat(90_000) }), {
      maxLength: 60,
    });
    fc.assert(
      fc.property(times, (actions) => {
        const gates = new RemedyGates();
        let nowMs = 0;
        for (const { subject, afterMs } of actions) {
          nowMs += afterMs;
          const whom = symptom(`n${subject}`);
          if (gates.whyNot(REDIAL, whom, nowMs) !== undefined) continue;
          gates.begin(REDIAL, whom.subject, nowMs);
          gates.settle(whom.subject);
          if (subject % 3 === 0) gates.judge("redial", whom.subject, "failed", nowMs);
        }
        const read = new RemedyGates();
        read.restore(gates.snapshot(now(nowMs)), now(nowMs));
        for (let one = 0; one <= 40; one++) {
          const whom = symptom(`n${one}`);
          expect(read.whyNot(REDIAL, whom, nowMs)).toBe(gates.whyNot(REDIAL, whom, nowMs));
        }
      }),
    );
  });
});
