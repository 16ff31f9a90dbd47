/** The real clock and the operating system's randomness: what a daemon hands to its parts. */
import { randomBytes } from "node:crypto";
import type { Clock } from "./clock.js";
import type { Random } from "./random.js";

export function systemClock(): Clock {
  return {
    nowMs: () => Date.now(),
    monotonicMs: () => performance.now(),
    setTimeout(callback, delayMs) {
      const timer = setTimeout(callback, delayMs);
      timer.unref();
      return { cancel: () => clearTimeout(timer) };
    },
  };
}

export function systemRandom(): Random {
  return {
    bytes: (length) => randomBytes(length),
    float: () => randomBytes(6).readUIntBE(0, 6) / 2 ** 48,
  };
}
