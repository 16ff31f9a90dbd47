import fc from "fast-check";
import { describe, expect, it } from "vitest";
import {
  describeLife,
  type EngineEvent,
  type EngineLife,
  isFailing,
  lives,
  newLife,
} from "./engine-life.js";

const KILLED: EngineEvent = { kind: "ended", how: "the worker ended with SIGKILL" };
const STARTED: EngineEvent = { kind: "started", processId: 8 };
const JOINED: EngineEvent = { kind: "joined", canProve: true };

function after(events: readonly EngineEvent[], stepMs = 1_000): EngineLife {
  let [life, nowMs] = [newLife(7, 0), 0];
  for (const event of events) {
    nowMs += stepMs;
    life = lives(life, event, nowMs);
  }
  return life;
}

describe("the life of an engine", () => {
  it("runs as soon as it has joined, the first time", () => {
    const life = after([JOINED]);
    expect(life.kind).toBe("running");
    expect(describeLife(life)).toBe("process 7 serves");
  });

  it("has to give a token after it ended, and tells how it ended and how long it was away", () => {
    const down = after([JOINED, KILLED]);
    expect(describeLife(down)).toBe("the worker ended with SIGKILL after 2.0 s; no process");
    const proving = after([JOINED, KILLED, STARTED, JOINED]);
    expect(proving.kind).toBe("proving");
    const back = after([JOINED, KILLED, STARTED, JOINED, { kind: "token" }]);
    expect(describeLife(back)).toBe(
      "the worker ended with SIGKILL after 2.0 s and served again 3.0 s later; " +
        "process 8 serves, which it has proved",
    );
  });

  it("needs no token where none can be asked for: at members that do not lead", () => {
    expect(after([JOINED, KILLED, STARTED, { kind: "joined", canProve: false }]).kind).toBe(
      "running",
    );
  });

  it("fails after three crashes in a row, or when its ring gave it up", () => {
    const crash = [STARTED, KILLED];
    expect(isFailing(after([JOINED, KILLED, ...crash]))).toBe(false);
    expect(isFailing(after([JOINED, KILLED, ...crash, ...crash]))).toBe(true);
    expect(isFailing(after([JOINED, KILLED, ...crash, ...crash], 100_000))).toBe(false);
    const given = after([JOINED, KILLED, { kind: "gave-up", reason: "no memory" }]);
    expect(isFailing(given)).toBe(true);
    expect(describeLife(given)).toContain("it was not started again: no memory");
    expect(isFailing(lives(given, STARTED, 9_000))).toBe(false);
  });

  it("keeps its invariants over any order of events", () => {
    const anyEvent = fc.oneof(
      fc.constantFrom<EngineEvent>(KILLED, STARTED, JOINED, { kind: "token" }),
      fc.constantFrom<EngineEvent>({ kind: "unanswered" }, { kind: "answered" }),
      fc.constant<EngineEvent>({ kind: "gave-up", reason: "it is full" }),
    );
    fc.assert(
      fc.property(fc.array(anyEvent, { maxLength: 40 }), (events) => {
        let life = newLife(1, 0);
        let isProved = true;
        for (const [at, event] of events.entries()) {
          const next = lives(life, event, at + 1);
          if (next.kind === "down" && life.kind !== "down") isProved = false;
          if (life.kind === "proving" && event.kind === "token") isProved = true;
          expect(next.ends).toBeGreaterThanOrEqual(life.ends);
          if (next.ends > 0) expect(next.lastEnd?.how).toBe("the worker ended with SIGKILL");
          if (next.kind === "running") expect(isProved).toBe(true);
          life = next;
        }
      }),
    );
  });
});
