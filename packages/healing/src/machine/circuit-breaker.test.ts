import { describe, expect, it } from "vitest";
import { BREAKER_FAILURES, BREAKER_OPEN_MS } from "../limits.js";
import {
  begun,
  breakerState,
  CLOSED_BREAKER,
  failedOnce,
  mayUse,
  untested,
} from "./circuit-breaker.js";

function failedTimes(count: number, atMs: number) {
  let breaker = CLOSED_BREAKER;
  for (let one = 0; one < count; one++) {
    breaker = failedOnce(begun(breaker, atMs), BREAKER_FAILURES, atMs);
  }
  return breaker;
}

describe("circuit breaker", () => {
  it("opens after so many failures in a row, for a while", () => {
    expect(mayUse(failedTimes(BREAKER_FAILURES - 1, 0), 0)).toBe(true);
    const open = failedTimes(BREAKER_FAILURES, 0);
    expect(mayUse(open, BREAKER_OPEN_MS - 1)).toBe(false);
    expect(breakerState(open, BREAKER_OPEN_MS)).toBe("half-open");
  });

  it("lets one test through while it is half open, which opens it again when it fails", () => {
    const testing = begun(failedTimes(BREAKER_FAILURES, 0), BREAKER_OPEN_MS);
    expect(mayUse(testing, BREAKER_OPEN_MS)).toBe(false);
    const again = failedOnce(testing, BREAKER_FAILURES, BREAKER_OPEN_MS);
    expect(mayUse(again, 2 * BREAKER_OPEN_MS - 1)).toBe(false);
    expect(mayUse(again, 2 * BREAKER_OPEN_MS)).toBe(true);
  });

  it("learns nothing from a use whose end nobody saw", () => {
    const testing = begun(failedTimes(BREAKER_FAILURES, 0), BREAKER_OPEN_MS);
    const unseen = untested(testing);
    expect(breakerState(unseen, BREAKER_OPEN_MS)).toBe("half-open");
    expect(mayUse(unseen, BREAKER_OPEN_MS)).toBe(true);
  });
});
