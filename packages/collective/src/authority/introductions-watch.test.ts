import { type Clock, MeshError, type NodeId, silentLogger } from "@hearthmesh/core";
import { describe, expect, it } from "vitest";
import type { IntroductionRecord } from "./introductions.js";
import type { NodeIdentityClaim } from "./introductions-proof.js";
import { INTRODUCTION_WATCH_INTERVAL_MS, IntroductionWatch } from "./introductions-watch.js";

const id = (letter: string) => letter.repeat(52) as NodeId;
const record = (nodeId: NodeId, url: string) =>
  ({ v: 1, nodeId, name: url, url }) as unknown as IntroductionRecord;
const claim = (nodeId: NodeId) => ({ v: 1, nodeId }) as unknown as NodeIdentityClaim;

/** Timers fire when the test moves the time. */
function manualClock() {
  let nowMs = 0;
  const timers: { atMs: number; callback: () => void }[] = [];
  const clock: Clock = {
    nowMs: () => nowMs,
    monotonicMs: () => nowMs,
    setTimeout(callback, delayMs) {
      const timer = { atMs: nowMs + delayMs, callback };
      timers.push(timer);
      return { cancel: () => timers.splice(timers.indexOf(timer) >>> 0, 1) };
    },
  };
  const advance = (byMs: number) => {
    nowMs += byMs;
    for (const timer of timers.filter(({ atMs }) => atMs <= nowMs)) {
      timers.splice(timers.indexOf(timer), 1);
      timer.callback();
    }
  };
  return { clock, advance };
}

describe("the watch of introduced nodes", () => {
  it("tells online, offline and an impostor apart, and when each was seen last", async () => {
    const { clock, advance } = manualClock();
    const list = [record(id("a"), "http://a"), record(id("b"), "http://b")];
    const answers = new Map<string, () => NodeIdentityClaim>([
      ["http://a", () => claim(id("a"))],
      [
        "http://b",
        () => {
          throw new MeshError("MESH_UNREACHABLE", { message: "b: the connection was refused" });
        },
      ],
    ]);
    const asked: string[] = [];
    const prober = {
      async probe(url: string) {
        asked.push(url);
        return answers.get(url)!();
      },
    };
    const introductions = { list: () => list };
    const watch = new IntroductionWatch({ introductions, prober, clock, log: silentLogger });
    expect(watch.stateOf(id("a"))).toMatchObject({ state: "unknown" });
    await watch.start();
    advance(0);
    await expect.poll(() => watch.stateOf(id("b")).state).toBe("offline");
    expect(watch.stateOf(id("a"))).toMatchObject({ state: "online", lastSeenMs: 0 });
    expect(watch.stateOf(id("b")).reason).toContain("refused");
    answers.set("http://a", () => claim(id("c")));
    await expect.poll(() => asked.length).toBe(2);
    advance(INTRODUCTION_WATCH_INTERVAL_MS - 1);
    expect(asked).toHaveLength(2);
    advance(1);
    await expect.poll(() => watch.stateOf(id("a")).state).toBe("failing");
    expect(watch.stateOf(id("a"))).toMatchObject({
      reason: "another key answers at http://a",
      lastSeenMs: 0,
    });
    await watch.stop();
    const before = asked.length;
    advance(10 * INTRODUCTION_WATCH_INTERVAL_MS);
    expect(asked).toHaveLength(before);
  });

  it("asks a few at a time, and ends at once", async () => {
    const { clock, advance } = manualClock();
    const list = Array.from({ length: 100 }, (_, at) => record(id("a"), `http://${at}`));
    let open = 0;
    const prober = {
      probe: (_url: string, options?: { signal?: AbortSignal }) => {
        open++;
        return new Promise<never>((_resolve, reject) => {
          const signal = AbortSignal.any(options?.signal === undefined ? [] : [options.signal]);
          signal.addEventListener("abort", () => reject(new Error("stopped")));
        });
      },
    };
    const introductions = { list: () => list };
    const watch = new IntroductionWatch({ introductions, prober, clock, log: silentLogger });
    await watch.start();
    advance(0);
    await expect.poll(() => open).toBe(32);
    await watch.stop();
    expect(open).toBe(32);
  });
});
