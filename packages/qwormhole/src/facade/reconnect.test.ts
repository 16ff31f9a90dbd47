import fc from "fast-check";
import { describe, expect, it } from "vitest";
import {
  type ReconnectConfig,
  type ReconnectEffect,
  type ReconnectEvent,
  type ReconnectState,
  reconnectDelayMs,
  stepReconnect,
} from "./reconnect.js";

const CONFIG: ReconnectConfig = {
  endpointCount: 1,
  enabled: true,
  retryFirst: true,
  initialDelayMs: 1000,
  maxDelayMs: 30_000,
  multiplier: 2,
  maxAttempts: 0,
  stableAfterMs: 5000,
  failBackMs: 30_000,
};

/** Steps through events and keeps what was said; `chance` is the luckiest or unluckiest draw. */
function machine(changes: Partial<ReconnectConfig> = {}, chance = 0.999999) {
  const config = { ...CONFIG, ...changes };
  let state: ReconnectState = { phase: "idle" };
  let nowMs = 0;
  const step = (event: ReconnectEvent): readonly ReconnectEffect[] => {
    const result = stepReconnect(config, state, event, { nowMs, chance });
    state = result.state;
    return result.effects;
  };
  const lastDial = () => {
    if (state.phase === "dialing") return state.dial;
    return state.phase === "connected" ? (state.probe?.dial ?? -1) : -1;
  };
  return {
    step,
    get state() {
      return state;
    },
    advance: (ms: number) => {
      nowMs += ms;
    },
    fail: (permanent = false) =>
      step({ type: "failed", dial: lastDial(), error: new Error("no"), permanent }),
    succeed: () => step({ type: "dialed", dial: lastDial() }),
    lose: () => step({ type: "lost", error: new Error("lost") }),
  };
}

describe("reconnecting", () => {
  it("draws each wait from the whole range, doubled up to its maximum", () => {
    const draws = [1, 2, 3, 4, 5, 6, 20].map((attempt) => [
      reconnectDelayMs(CONFIG, attempt, 0),
      reconnectDelayMs(CONFIG, attempt, 0.999999),
    ]);
    expect(draws).toEqual([
      [100, 1000],
      [100, 2000],
      [100, 4000],
      [100, 8000],
      [100, 16_000],
      [100, 30_000],
      [100, 30_000],
    ]);
  });

  it("never gives up with maxAttempts 0", () => {
    const client = machine({ maxAttempts: 0 });
    client.step({ type: "connect" });
    for (let attempt = 1; attempt <= 200; attempt++) {
      expect(client.fail()).toMatchObject([{ type: "reconnecting", attempt }, { type: "timer" }]);
      expect(client.step({ type: "timer" })).toMatchObject([{ type: "dial", endpoint: 0 }]);
    }
  });

  it("gives up after maxAttempts, with the last failure as the cause", () => {
    const client = machine({ maxAttempts: 2 });
    client.step({ type: "connect" });
    client.fail();
    client.step({ type: "timer" });
    client.fail();
    client.step({ type: "timer" });
    expect(client.fail()).toMatchObject([
      { type: "ended", error: { code: "QW_RECONNECT_GIVEN_UP", cause: { message: "no" } } },
    ]);
    expect(client.step({ type: "connect" })).toEqual([]);
  });

  it("makes one attempt for the first connection when no policy was named", () => {
    const client = machine({ retryFirst: false, endpointCount: 2 });
    client.step({ type: "connect" });
    expect(client.fail()).toMatchObject([{ type: "dial", endpoint: 1 }]);
    expect(client.fail()).toMatchObject([{ type: "ended", error: { message: "no" } }]);
  });

  it("does not try again what cannot help, unless it was connected before", () => {
    const first = machine();
    first.step({ type: "connect" });
    expect(first.fail(true)).toMatchObject([{ type: "ended" }]);
    const later = machine();
    later.step({ type: "connect" });
    later.succeed();
    later.lose();
    later.step({ type: "timer" });
    expect(later.fail(true)).toMatchObject([{ type: "reconnecting", attempt: 2 }, {}]);
  });

  it("goes on when one of several endpoints may still come", () => {
    const client = machine({ endpointCount: 2 });
    client.step({ type: "connect" });
    client.fail(true);
    expect(client.fail(false)).toMatchObject([{ type: "reconnecting", attempt: 1 }, {}]);
  });

  it("begins to count anew only after a connection that lasted", () => {
    const client = machine();
    client.step({ type: "connect" });
    client.fail();
    client.step({ type: "timer" });
    client.succeed();
    client.advance(4999);
    expect(client.lose()).toMatchObject([{ attempt: 2 }, {}]);
    client.step({ type: "timer" });
    client.succeed();
    client.advance(5000);
    expect(client.lose()).toMatchObject([{ attempt: 1 }, {}]);
  });

  it("ends at a loss when it is not enabled, with the error if there was one", () => {
    const client = machine({ enabled: false });
    client.step({ type: "connect" });
    client.succeed();
    expect(client.step({ type: "lost", error: undefined })).toEqual([
      { type: "ended", error: undefined },
    ]);
  });

  it("probes the endpoints before the present one, in order, and goes back", () => {
    const client = machine({ endpointCount: 3 });
    client.step({ type: "connect" });
    client.fail();
    client.fail();
    expect(client.succeed()).toEqual([
      { type: "connected", endpoint: 2 },
      { type: "timer", delayMs: 30_000 },
    ]);
    expect(client.step({ type: "timer" })).toMatchObject([{ type: "dial", endpoint: 0 }]);
    expect(client.fail()).toMatchObject([{ type: "dial", endpoint: 1 }]);
    expect(client.succeed()).toEqual([
      { type: "switched", endpoint: 1 },
      { type: "timer", delayMs: 30_000 },
    ]);
    client.step({ type: "timer" });
    expect(client.succeed()).toEqual([{ type: "switched", endpoint: 0 }]);
    expect(client.step({ type: "timer" })).toEqual([]);
  });

  it("keeps the connection when a probe finds nobody", () => {
    const client = machine({ endpointCount: 2 });
    client.step({ type: "connect" });
    client.fail();
    client.succeed();
    client.step({ type: "timer" });
    expect(client.fail()).toEqual([{ type: "timer", delayMs: 30_000 }]);
    expect(client.state).toMatchObject({ phase: "connected", endpoint: 1 });
  });

  it("has one dial under way, ends once, and takes late answers for nothing", () => {
    const event: fc.Arbitrary<ReconnectEvent> = fc.oneof(
      fc.constant({ type: "connect" } as const),
      fc.record({ type: fc.constant("dialed" as const), dial: fc.nat(12) }),
      fc.record({
        type: fc.constant("failed" as const),
        dial: fc.nat(12),
        error: fc.constant(new Error("no")),
        permanent: fc.boolean(),
      }),
      fc.constant({ type: "lost", error: undefined } as const),
      fc.constant({ type: "timer" } as const),
      fc.constant({ type: "stop" } as const),
    );
    const settings = fc.record({
      endpointCount: fc.integer({ min: 1, max: 3 }),
      enabled: fc.boolean(),
      retryFirst: fc.boolean(),
      maxAttempts: fc.nat(3),
    });
    fc.assert(
      fc.property(settings, fc.array(event, { maxLength: 60 }), (changes, events) => {
        const client = machine(changes);
        let ends = 0;
        let dial = 0;
        for (const one of events) {
          for (const effect of client.step(one)) {
            if (effect.type === "ended") ends++;
            if (effect.type !== "dial") continue;
            expect(effect.dial).toBeGreaterThan(dial);
            dial = effect.dial;
          }
          expect(ends).toBe(client.state.phase === "ended" ? 1 : 0);
        }
      }),
    );
  });
});
