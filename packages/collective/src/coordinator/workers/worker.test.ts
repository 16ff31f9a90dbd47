import { silentLogger } from "@hearthmesh/core";
import { ManualClock } from "@hearthmesh/core/testing";
import { describe, expect, it } from "vitest";
import { WorkerLoop } from "./worker.js";

function loopOf(run: (signal: AbortSignal) => Promise<void>, intervalMs = 1000) {
  const clock = new ManualClock();
  const options = { name: "test", intervalMs, clock, log: silentLogger, run };
  return { clock, loop: new WorkerLoop(options) };
}

describe("WorkerLoop", () => {
  it("runs in its interval while it is started, and never otherwise", async () => {
    let runs = 0;
    const { clock, loop } = loopOf(async () => {
      runs++;
    });
    loop.wake();
    await clock.advance(5_000);
    expect([runs, loop.state]).toEqual([0, "stopped"]);
    loop.start();
    loop.start();
    await clock.advance(3_000);
    expect([runs, loop.state]).toEqual([3, "idle"]);
    expect(loop.inspect()).toMatchObject({ errors: 0, lastRunMs: clock.nowMs() });
    await loop.stop();
    await clock.advance(5_000);
    expect([runs, loop.state]).toEqual([3, "stopped"]);
  });

  it("runs once more for all that woke it during a run, and never twice at a time", async () => {
    let runs = 0;
    let inside = 0;
    const ends: (() => void)[] = [];
    const { clock, loop } = loopOf(async () => {
      runs++;
      expect(++inside).toBe(1);
      await new Promise<void>((resolve) => ends.push(resolve));
      inside--;
    });
    loop.start();
    loop.wake();
    expect(loop.state).toBe("running");
    for (let count = 0; count < 5; count++) loop.wake();
    const asked = loop.runOnce();
    ends.shift()?.();
    await clock.advance(0);
    expect(runs).toBe(2);
    ends.shift()?.();
    await asked;
    await clock.advance(999);
    expect(runs).toBe(2);
    const stopped = loop.stop();
    await stopped;
  });

  it("makes one run of many wake-ups that are close to each other", async () => {
    let runs = 0;
    const { clock, loop } = loopOf(async () => {
      runs++;
    }, 1e9);
    loop.start();
    for (let count = 0; count < 10; count++) loop.wakeIn(100);
    await clock.advance(99);
    expect(runs).toBe(0);
    await clock.advance(1);
    expect(runs).toBe(1);
    await loop.stop();
  });

  it("counts an error and goes on", async () => {
    let runs = 0;
    const { clock, loop } = loopOf(async () => {
      if (++runs === 1) throw new Error("broken");
    });
    await expect(loop.runOnce()).rejects.toThrow("broken");
    loop.start();
    await clock.advance(1_000);
    expect(runs).toBe(2);
    expect(loop.inspect()).toMatchObject({ errors: 1, state: "idle" });
    await loop.stop();
  });

  it("tells a run that it is stopped, and waits for its end", async () => {
    let ended = false;
    const { loop } = loopOf(
      (signal) =>
        new Promise<void>((_resolve, reject) => {
          signal.addEventListener("abort", () => {
            ended = true;
            reject(signal.reason);
          });
        }),
    );
    loop.start();
    loop.wake();
    await loop.stop();
    expect(ended).toBe(true);
    expect(loop.inspect()).toMatchObject({ errors: 0, state: "stopped" });
  });
});
