import { describe, expect, it } from "vitest";
import { ManualClock, promiseTurns } from "./manual-clock.js";

describe("a clock that is moved by hand", () => {
  it("calls timers in the order of time, also those that a timer starts", async () => {
    for (const way of ["advance", "pass"] as const) {
      const clock = new ManualClock({ atMs: 0, settle: promiseTurns });
      const calls: [string, number][] = [];
      const call = (name: string) => () => calls.push([name, clock.monotonicMs()]);
      clock.setTimeout(call("late"), 30);
      clock.setTimeout(() => {
        call("first")();
        clock.setTimeout(call("second"), 10);
      }, 10);
      clock.setTimeout(call("never"), 15).cancel();
      await clock[way](25);
      expect(calls).toEqual([
        ["first", 10],
        ["second", 20],
      ]);
      expect(clock.monotonicMs()).toBe(25);
      await clock[way](5);
      expect(calls.at(-1)).toEqual(["late", 30]);
    }
  });
});
