import type { Clock } from "@hearthmesh/core";
import { describe, expect, it } from "vitest";
import { DeadlineQueue } from "./deadline-queue.js";

/** Time that stands still until it is moved. */
function handClock() {
  let nowMs = 0;
  const timers = new Map<object, { dueMs: number; callback: () => void }>();
  const clock: Pick<Clock, "monotonicMs" | "setTimeout"> = {
    monotonicMs: () => nowMs,
    setTimeout(callback, delayMs) {
      const key = {};
      timers.set(key, { dueMs: nowMs + delayMs, callback });
      return { cancel: () => timers.delete(key) };
    },
  };
  const advance = (byMs: number) => {
    const endMs = nowMs + byMs;
    for (;;) {
      const due = [...timers].filter(([, { dueMs }]) => dueMs <= endMs);
      const [first] = due.sort(([, a], [, b]) => a.dueMs - b.dueMs);
      if (first === undefined) break;
      timers.delete(first[0]);
      nowMs = first[1].dueMs;
      first[1].callback();
    }
    nowMs = endMs;
  };
  return { clock, advance, timers };
}

function queue(delayMs = 100) {
  const hand = handClock();
  const over: string[] = [];
  const entry = (name: string) => ({ onDeadline: () => void over.push(name) });
  return { ...hand, over, entry, deadlines: new DeadlineQueue(hand.clock, delayMs) };
}

describe("deadlines of equal length", () => {
  it("come due one after the other, each after its whole time", () => {
    const { deadlines, entry, over, advance } = queue();
    deadlines.add(entry("first"));
    advance(60);
    deadlines.add(entry("second"));
    advance(39);
    expect(over).toEqual([]);
    advance(1);
    expect(over).toEqual(["first"]);
    advance(59);
    expect(over).toEqual(["first"]);
    advance(1);
    expect(over).toEqual(["first", "second"]);
  });

  it("do not come due once they were removed, and hold back nobody else", () => {
    const { deadlines, entry, over, advance } = queue();
    const [gone, stays] = [entry("gone"), entry("stays")];
    deadlines.add(gone);
    advance(10);
    deadlines.add(stays);
    deadlines.remove(gone);
    deadlines.remove(gone);
    advance(100);
    expect(over).toEqual(["stays"]);
  });

  it("need one timer, however many there are, and none when all are over", () => {
    const { deadlines, entry, over, advance, timers } = queue();
    for (let count = 0; count < 50; count++) deadlines.add(entry(String(count)));
    expect(timers.size).toBe(1);
    advance(200);
    expect(over.length).toBe(50);
    expect(timers.size).toBe(0);
  });

  it("begin anew for what is added again, also while others come due", () => {
    const { deadlines, over, advance, timers } = queue();
    const again = { onDeadline: () => over.push("again") < 3 && deadlines.add(again) };
    deadlines.add({ onDeadline: () => void again.onDeadline() });
    advance(100);
    expect(over.length).toBe(1);
    expect(timers.size).toBe(1);
    advance(200);
    expect(over.length).toBe(3);
  });
});
