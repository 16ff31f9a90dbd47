import { type Clock, type LogFields, silentLogger } from "@hearthmesh/core";
import { describe, expect, it } from "vitest";
import { MeshWatch } from "./mesh-watch.js";

function watched() {
  const lines: { message: string; fields: LogFields | undefined }[] = [];
  const note = (message: string, fields?: LogFields) => void lines.push({ message, fields });
  const time = { nowMs: 1_000_000, monotonicMs: 0 };
  const refused: Record<string, number> = {};
  const state = { addresses: ["192.0.2.1:9000"], changes: 0 };
  const clock: Clock = {
    nowMs: () => time.nowMs,
    monotonicMs: () => time.monotonicMs,
    setTimeout: () => ({ cancel: () => undefined }),
  };
  const counters = { datagramsIn: 0, datagramsOut: 0, linkDatagramsIn: 0, linkDatagramsOut: 0 };
  const watch = new MeshWatch({
    swim: {
      get counters() {
        return { ...counters, refused: { ...refused } };
      },
    },
    addresses: () => state.addresses,
    onChanged: () => state.changes++,
    clock,
    log: { ...silentLogger, info: note, warn: note },
  });
  const pass = (ms: number, wallMs = ms) => {
    time.monotonicMs += ms;
    time.nowMs += wallMs;
    watch.look();
  };
  return { watch, state, refused, lines, pass };
}

describe("the watch of a node's surroundings", () => {
  it("says nothing while nothing happens", async () => {
    const { watch, pass, lines, state } = watched();
    await watch.start();
    for (let at = 0; at < 30; at++) pass(5_000, 5_000 + (at % 3));
    expect([lines, state.changes]).toEqual([[], 0]);
  });

  it("notices other addresses, once", async () => {
    const { watch, pass, lines, state } = watched();
    await watch.start();
    state.addresses = ["198.51.100.7:9000"];
    pass(5_000);
    pass(5_000);
    expect(state.changes).toBe(1);
    expect(lines).toEqual([
      {
        message: "the addresses of this machine have changed",
        fields: { listenAddress: "198.51.100.7:9000" },
      },
    ]);
  });

  it.each([
    [3_600_000, "3600 s forward"],
    [-3_600_000, "3600 s back"],
  ])("notices a clock that was set by %d ms", async (stepMs, reason) => {
    const { watch, pass, lines, state } = watched();
    await watch.start();
    pass(5_000, 5_000 + stepMs);
    pass(5_000);
    expect(state.changes).toBe(1);
    expect(lines.map(({ fields }) => fields)).toEqual([{ reason }]);
  });

  it("tells of refused messages once a minute, by reason, and not of a few", async () => {
    const { watch, pass, lines, refused } = watched();
    await watch.start();
    refused.replay = 3;
    pass(60_000);
    expect(lines).toEqual([]);
    refused.replay = 1_003;
    refused.flood = 9;
    pass(30_000);
    expect(lines).toEqual([]);
    pass(30_000);
    expect(lines).toEqual([
      {
        message: "messages of membership were refused",
        fields: { count: 1_009, reason: "replay 1000, flood 9" },
      },
    ]);
    pass(60_000);
    expect(lines).toHaveLength(1);
  });
});
