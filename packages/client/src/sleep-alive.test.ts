import { systemClock } from "@hearthmesh/core";
import { describe, expect, it } from "vitest";
import { sleepAlive } from "./sleep-alive.js";

const timers = () => process.getActiveResourcesInfo().filter((one) => one === "Timeout").length;

describe("waiting", () => {
  it("keeps the process alive until its end, and not after it", async () => {
    const before = timers();
    const waiting = sleepAlive(systemClock(), 5);
    expect(timers()).toBeGreaterThan(before);
    await waiting;
    expect(timers()).toBe(before);
    const cut = new AbortController();
    const broken = sleepAlive(systemClock(), 60_000, cut.signal);
    cut.abort(new Error("enough"));
    await expect(broken).rejects.toThrow("enough");
    expect(timers()).toBe(before);
  });
});
