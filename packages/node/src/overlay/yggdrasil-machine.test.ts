import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { OVERLAY_SILENT_LOOKS, OVERLAY_START_MS_MAX } from "./limits.js";
import {
  YGGDRASIL_STOPPED,
  type YggdrasilEvent,
  type YggdrasilView,
  yggdrasilStep,
} from "./yggdrasil-machine.js";

const SELF = { key: "ours", address: "200::1", subnet: "300::/64", version: undefined };
const PEER = {
  ...{ key: "b", address: "200::2", remote: "tcp://b:1", up: true, inbound: false },
  ...{ uptimeSeconds: 1, bytesIn: 1, bytesOut: 1 },
};
const STARTED: YggdrasilEvent = { kind: "started" };
const ANSWERED: YggdrasilEvent = { kind: "answered", self: SELF, peers: [PEER] };
const UNANSWERED: YggdrasilEvent = { kind: "unanswered", reason: "no answer" };
const ENDED: YggdrasilEvent = { kind: "ended", reason: "SIGKILL" };
const OTHER: YggdrasilEvent = { ...ANSWERED, self: { ...SELF, key: "another" } } as YggdrasilEvent;

function after(events: readonly (readonly [YggdrasilEvent, number])[]): YggdrasilView {
  return events.reduce(
    (view, [event, nowMs]) => yggdrasilStep(view, event, { nowMs, ownKey: SELF.key }),
    YGGDRASIL_STOPPED,
  );
}

describe("what is known of yggdrasil", () => {
  it("is up when it answers, with its peers", () => {
    const up = after([
      [STARTED, 5],
      [ANSWERED, 9],
      [ANSWERED, 20],
    ]);
    expect(up).toMatchObject({ phase: "up", sinceMs: 9, self: SELF, peers: [PEER] });
    expect(up.reason).toBeUndefined();
  });

  it("is still up after a look or two without an answer, then silent, then up again", () => {
    const looks = Array.from({ length: OVERLAY_SILENT_LOOKS - 1 }, () => [UNANSWERED, 30] as const);
    const patient = [[STARTED, 5], [ANSWERED, 9], ...looks] as const;
    expect(after(patient)).toMatchObject({ phase: "up", peers: [PEER] });
    // One answer in between begins the count anew.
    expect(after([...patient, [ANSWERED, 31], [UNANSWERED, 32]]).phase).toBe("up");
    const silent = after([...patient, [UNANSWERED, 40]]);
    expect(silent).toMatchObject({ phase: "silent", sinceMs: 40, peers: [], reason: "no answer" });
    expect(after([...patient, [UNANSWERED, 40], [ANSWERED, 50]]).phase).toBe("up");
  });

  it("has time to start", () => {
    expect(
      after([
        [STARTED, 5],
        [UNANSWERED, 6],
        [UNANSWERED, 7],
      ]).phase,
    ).toBe("starting");
    expect(
      after([
        [STARTED, 5],
        [UNANSWERED, 5 + OVERLAY_START_MS_MAX],
      ]).phase,
    ).toBe("silent");
  });

  it("is down when it ended, and starts again", () => {
    const down = after([
      [STARTED, 5],
      [ANSWERED, 9],
      [ENDED, 12],
    ]);
    expect(down).toMatchObject({ phase: "down", sinceMs: 12, reason: "SIGKILL", peers: [] });
    expect(
      after([
        [STARTED, 5],
        [ENDED, 12],
        [ANSWERED, 13],
      ]).phase,
    ).toBe("down");
    expect(
      after([
        [STARTED, 5],
        [ENDED, 12],
        [STARTED, 14],
      ]),
    ).toMatchObject({
      phase: "starting",
      sinceMs: 14,
    });
  });

  it("is never the answer of another daemon", () => {
    const lost = after([
      [STARTED, 5],
      [OTHER, 5 + OVERLAY_START_MS_MAX],
    ]);
    expect(lost).toMatchObject({ phase: "silent", self: undefined });
    expect(lost.reason).toContain("another daemon");
  });

  it("holds its invariants whatever happens", () => {
    const event = fc.constantFrom(STARTED, ANSWERED, UNANSWERED, ENDED, OTHER, {
      kind: "stopped",
    } as YggdrasilEvent);
    fc.assert(
      fc.property(fc.array(fc.tuple(event, fc.nat(5_000))), (steps) => {
        let nowMs = 0;
        let view = YGGDRASIL_STOPPED;
        for (const [one, pauseMs] of steps) {
          nowMs += pauseMs;
          view = yggdrasilStep(view, one, { nowMs, ownKey: SELF.key });
          expect(view.self === undefined).toBe(view.phase !== "up");
          if (view.phase !== "up") expect(view.peers).toEqual([]);
          if (view.self !== undefined) expect(view.self.key).toBe(SELF.key);
          expect(view.sinceMs).toBeLessThanOrEqual(nowMs);
          if (one.kind === "ended") expect(view.phase).toBe("down");
          if (one.kind === "stopped") expect(view.phase).toBe("stopped");
        }
      }),
    );
  });
});
