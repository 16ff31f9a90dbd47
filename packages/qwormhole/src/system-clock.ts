/** The real clock and randomness, for a link that was given none. */
import { randomBytes } from "node:crypto";
import type { LinkClock, LinkRandom } from "./link.js";

/** Timers do not keep the process alive, unless `keepsAlive`. */
export function systemLinkClock({ keepsAlive = false } = {}): LinkClock {
  return {
    nowMs: () => Date.now(),
    monotonicMs: () => performance.now(),
    setTimeout(callback, delayMs) {
      const timer = setTimeout(callback, delayMs);
      if (!keepsAlive) timer.unref();
      return { cancel: () => clearTimeout(timer) };
    },
  };
}

export function systemLinkRandom(): LinkRandom {
  return {
    bytes: (length) => randomBytes(length),
    float: () => randomBytes(6).readUIntBE(0, 6) / 2 ** 48,
  };
}
