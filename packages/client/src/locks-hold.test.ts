import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { LockHold } from "./locks-hold.js";

const TTL_MS = 30_000;

describe("the time of a lock", () => {
  it("is renewed after a third, again soon when that failed, and is over before it ends", () => {
    const hold = new LockHold(TTL_MS, 1_000);
    expect(hold.next(1_000)).toEqual({ do: "wait", untilMs: 11_000 });
    expect(hold.next(11_000)).toEqual({ do: "renew", deadlineMs: 29_500 });
    hold.renewed(11_000);
    expect(hold.next(11_005)).toEqual({ do: "wait", untilMs: 21_000 });
    // The answer to an earlier attempt, which was overtaken.
    hold.renewed(9_000);
    expect(hold.deadlineMs).toBe(39_500);
    expect(hold.next(11_006)).toEqual({ do: "wait", untilMs: 21_000 });
    hold.failed(21_000);
    expect(hold.next(21_000)).toEqual({ do: "wait", untilMs: 22_000 });
    expect(hold.next(22_000)).toMatchObject({ do: "renew" });
    hold.failed(39_400);
    expect(hold.next(39_400)).toEqual({ do: "wait", untilMs: 39_500 });
    expect(hold.next(39_500)).toEqual({ do: "lose" });
  });

  it("does not come back, and is over at once when the coordinator says so", () => {
    const late = new LockHold(TTL_MS, 0);
    expect(late.next(28_500)).toEqual({ do: "lose" });
    late.renewed(20_000);
    expect(late.next(28_501)).toEqual({ do: "lose" });
    const refused = new LockHold(TTL_MS, 0);
    refused.refused();
    expect(refused.next(1)).toEqual({ do: "lose" });
  });

  it("never outlives what a coordinator that counts from the arrival believes", () => {
    const event = fc.record({
      afterMs: fc.nat({ max: 12_000 }),
      onWayMs: fc.nat({ max: 3_000 }),
      outcome: fc.constantFrom("answered", "lost on the way", "answer lost", "old answer"),
    });
    fc.assert(
      fc.property(fc.array(event, { maxLength: 20 }), (events) => {
        let nowMs = 0;
        let endsAtMs = TTL_MS;
        const hold = new LockHold(TTL_MS, 0);
        for (const { afterMs, onWayMs, outcome } of events) {
          nowMs += afterMs;
          const step = hold.next(nowMs);
          if (step.do !== "lose") expect(nowMs).toBeLessThan(endsAtMs);
          if (step.do !== "renew") continue;
          const arrivedMs = nowMs + onWayMs;
          const isAlive = arrivedMs < endsAtMs;
          if (outcome !== "lost on the way" && isAlive) endsAtMs = arrivedMs + TTL_MS;
          if (outcome === "answered" && isAlive) hold.renewed(nowMs);
          else if (outcome === "answered") hold.refused();
          else hold.failed(arrivedMs);
          if (outcome === "old answer") hold.renewed(0);
          nowMs = arrivedMs;
        }
      }),
      { numRuns: 500 },
    );
  });
});
