import { sleep } from "@hearthmesh/core";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { virtualClock } from "./virtual-clock.js";

const START_MS = Date.UTC(2030, 0, 1);
const clockAtStart = () => virtualClock({ startMs: START_MS });

describe("virtualClock", () => {
  it("fires timers by due time, and in the order of setting when due together", async () => {
    const clock = clockAtStart();
    const fired: string[] = [];
    clock.setTimeout(() => fired.push("b"), 10);
    clock.setTimeout(() => fired.push("c"), 10);
    clock.setTimeout(() => fired.push("a"), 5);
    clock.setTimeout(() => fired.push("never"), 7).cancel();
    await clock.runUntilIdle(100);
    expect(fired).toEqual(["a", "b", "c"]);
    expect(clock.monotonicMs()).toBe(10);
    expect(clock.nowMs()).toBe(START_MS + 10);
  });

  it("orders any timers as a sort would", async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(fc.nat(50), { maxLength: 60 }), async (delays) => {
        const clock = clockAtStart();
        const fired: number[] = [];
        for (const [index, delay] of delays.entries()) {
          clock.setTimeout(() => fired.push(index), delay);
        }
        await clock.runUntilIdle(1000);
        const byDelay = delays.map((delay, index) => ({ delay, index }));
        byDelay.sort((a, b) => a.delay - b.delay || a.index - b.index);
        expect(fired).toEqual(byDelay.map(({ index }) => index));
      }),
      { numRuns: 30 },
    );
  });

  it("lets everything that follows from a timer happen before the next one fires", async () => {
    const clock = clockAtStart();
    const seen: string[] = [];
    clock.setTimeout(async () => {
      for (let hop = 0; hop < 100; hop++) await Promise.resolve();
      await new Promise<void>((resolve) => process.nextTick(resolve));
      await new Promise<void>((resolve) => setImmediate(resolve));
      await new Promise<void>((resolve) => setImmediate(resolve));
      seen.push("first");
    }, 1);
    clock.setTimeout(() => seen.push("second"), 1);
    await clock.runFor(1);
    expect(seen).toEqual(["first", "second"]);
  });

  it("runs a chain of sleeps in no real time", async () => {
    const clock = clockAtStart();
    const work = (async () => {
      for (let day = 0; day < 30; day++) await sleep(clock, 86_400_000);
      return "a month";
    })();
    expect(await clock.runUntilSettled(work, 31 * 86_400_000)).toBe("a month");
  });

  it("notices when something waits for ever", async () => {
    const clock = clockAtStart();
    const never = new Promise<void>(() => undefined);
    await expect(clock.runUntilSettled(never, 1000)).rejects.toThrow("without a timer");
    const heartbeat = () => clock.setTimeout(heartbeat, 100);
    heartbeat();
    await expect(clock.runUntilSettled(never, 1000)).rejects.toThrow("within 1000 ms");
    await expect(clock.runUntilIdle(1000)).rejects.toThrow("not idle");
  });

  it("stops at the time asked and leaves later timers alone", async () => {
    const clock = clockAtStart();
    let fired = false;
    clock.setTimeout(() => {
      fired = true;
    }, 50);
    await clock.runUntil(49);
    expect([fired, clock.monotonicMs()]).toEqual([false, 49]);
    await clock.runFor(1);
    expect(fired).toBe(true);
  });
});

describe("a view of the clock", () => {
  it("jumps its wall clock without touching timers or the others", async () => {
    const clock = clockAtStart();
    const [mine, other] = [clock.view(), clock.view()];
    let firedAtMs = 0;
    mine.setTimeout(() => {
      firedAtMs = mine.monotonicMs();
    }, 100);
    mine.jump(-3_600_000);
    await clock.runFor(200);
    expect(firedAtMs).toBe(100);
    expect(mine.nowMs()).toBe(START_MS + 200 - 3_600_000);
    expect(other.nowMs()).toBe(START_MS + 200);
  });

  it("fires late while stalled and never when halted", async () => {
    const clock = clockAtStart();
    const [stalled, dead] = [clock.view(), clock.view()];
    const fired: string[] = [];
    stalled.setTimeout(() => fired.push(`stalled ${clock.monotonicMs()}`), 10);
    dead.setTimeout(() => fired.push("dead"), 10);
    stalled.stall(500);
    dead.halt();
    await clock.runFor(1000);
    expect(fired).toEqual(["stalled 500"]);
  });

  it("cancels a timer that a stall has put off", async () => {
    const clock = clockAtStart();
    const view = clock.view();
    const timer = view.setTimeout(() => expect.unreachable(), 10);
    view.stall(100);
    await clock.runFor(50);
    timer.cancel();
    await clock.runFor(100);
  });
});
