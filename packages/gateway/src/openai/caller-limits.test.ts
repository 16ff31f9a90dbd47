import { describe, expect, it } from "vitest";
import { type AiCaller, CallerLimits, limitsOfKey } from "./caller-limits.js";

let nowMs = 0;
const clock = { monotonicMs: () => nowMs };
const key: AiCaller = {
  id: "key/a",
  limits: limitsOfKey({ requestsAtOnce: 2, requestsPerMinute: 3, tokensPerDay: 100 }),
};
const full = (retryAfterMs: number) =>
  expect.objectContaining({ code: "MESH_LIMIT", details: { retryAfterMs } });

describe("the limits of a caller", () => {
  it("count requests in a minute, and begin anew after it", () => {
    nowMs = 1_000;
    const limits = new CallerLimits(clock);
    for (let at = 0; at < 3; at++) limits.countRequest(key);
    nowMs = 31_000;
    expect(() => limits.countRequest(key)).toThrow(full(30_000));
    expect(limits.headers(key)).toMatchObject({
      "x-ratelimit-limit-requests": "3",
      "x-ratelimit-remaining-requests": "0",
      "x-ratelimit-reset-requests": "30s",
    });
    nowMs = 61_000;
    limits.countRequest(key);
    expect(limits.headers(key)["x-ratelimit-remaining-requests"]).toBe("2");
  });

  it("hold places, which are given back once", () => {
    const limits = new CallerLimits(clock);
    const first = limits.enter(key);
    limits.enter(key);
    expect(() => limits.enter(key)).toThrow(full(1_000));
    first.end(0);
    first.end(0);
    limits.enter(key);
    expect(() => limits.enter(key)).toThrow(full(1_000));
    expect(limits.requestsUnderWay).toBe(2);
  });

  it("count the tokens of a day, and say how many an answer may have", () => {
    nowMs = 0;
    const limits = new CallerLimits(clock);
    const first = limits.enter(key);
    expect(first.tokensLeft).toBe(100);
    first.end(70);
    const second = limits.enter(key);
    expect(second.tokensLeft).toBe(30);
    second.end(31);
    nowMs = 3_600_000;
    expect(() => limits.countRequest(key)).toThrow(full(23 * 3_600_000));
    nowMs = 86_400_000;
    limits.countRequest(key);
    expect(limits.headers(key)["x-ratelimit-remaining-tokens"]).toBe("100");
  });

  it("hold for each caller alone, and not for the operator", () => {
    const limits = new CallerLimits(clock);
    const other = { ...key, id: "key/b" };
    const operator = { id: "spiffe://home.alice/node/x", limits: undefined };
    limits.enter(key);
    limits.enter(key);
    limits.enter(other);
    for (let at = 0; at < 50; at++) {
      limits.countRequest(operator);
      expect(limits.enter(operator).tokensLeft).toBeUndefined();
    }
    expect(limits.headers(operator)).toEqual({});
  });

  it("keep a caller with an answer under way while others come and go", () => {
    const limits = new CallerLimits(clock);
    limits.enter(key);
    limits.enter(key);
    for (let at = 0; at < 3_000; at++) limits.countRequest({ id: `x${at}`, limits: undefined });
    expect(() => limits.enter(key)).toThrow(full(1_000));
  });
});
