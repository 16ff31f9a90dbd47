import { describe, expect, it } from "vitest";
import { ETCD_SILENT_MS } from "./limits.js";
import { supervisedEtcd } from "./supervised-etcd.js";

describe("etcd as whoever watches over it sees it", () => {
  const running = { wanted: true, running: true, startedMs: 1_000, ends: 0, crashes: 0 };
  const at = (
    nowMs: number,
    changes: object | undefined,
    answeredMs: number | undefined = undefined,
  ) => {
    let restarts = 0;
    const restart = async () => {
      restarts++;
    };
    const process = changes && { ...running, lastEnd: undefined, restart, ...changes };
    const etcd = supervisedEtcd({
      process: () => process,
      answeredMs: () => answeredMs,
      status: () => ({ message: "it votes" }),
      onChange: () => () => undefined,
      clock: { monotonicMs: () => nowMs },
    });
    return { etcd, restarts: () => restarts };
  };
  const state = (...given: Parameters<typeof at>) => at(...given).etcd.state();

  it("runs when it has answered since it was started, whatever was before", () => {
    expect(state(9_000, {}, 8_000)).toBe("running");
    expect(state(9_000, { crashes: 7 }, 8_000)).toBe("running");
    // What was seen of the process before this one does not count.
    expect(state(1_500, {}, 900)).toBe("starting");
  });

  it("is starting, then silent, and failing when it ends again and again", () => {
    expect(state(2_000, {})).toBe("starting");
    expect(state(1_001 + ETCD_SILENT_MS, {})).toBe("silent");
    expect(state(2_000, { startedMs: undefined, crashes: 1 })).toBe("starting");
    expect(state(2_000, { startedMs: undefined, crashes: 3 })).toBe("failing");
  });

  it("is stopped when nobody wants it, or its supervisor does not run", async () => {
    expect(state(2_000, { wanted: false })).toBe("stopped");
    expect(state(2_000, undefined)).toBe("stopped");
    await at(2_000, undefined).etcd.restart();
  });

  it("is described with how it ended, and restarted by its supervisor", async () => {
    expect(at(0, {}).etcd.describe()).toBe("it votes");
    const { etcd, restarts } = at(0, { ends: 2, lastEnd: "SIGKILL" });
    expect(etcd.describe()).toBe("it ended 2 times since the start, last by SIGKILL; it votes");
    await etcd.restart();
    expect(restarts()).toBe(1);
  });
});
