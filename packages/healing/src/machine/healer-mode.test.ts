import { describe, expect, it } from "vitest";
import { ModeSwitch } from "./healer-mode.js";

const MINUTE = 60_000;
const DAY = 86_400_000;
const WALL_MS = 1_800_000_000_000;
const at = (monotonicMs: number, wallMs = WALL_MS + monotonicMs) => ({ monotonicMs, wallMs });

describe("a pause", () => {
  it("lasts as long as it was asked for, however the time of day is set meanwhile", () => {
    for (const setMs of [-DAY, 0, DAY]) {
      const mode = new ModeSwitch("acting");
      mode.pause(10 * MINUTE, at(0));
      const late = at(9 * MINUTE, WALL_MS + 9 * MINUTE + setMs);
      expect(mode.endsPause(late)).toBe(false);
      // What people are told goes by the time of day that they see.
      expect(mode.pausedUntilMs(late)).toBe(late.wallMs + MINUTE);
      expect(mode.endsPause(at(10 * MINUTE, WALL_MS + setMs))).toBe(true);
      expect(mode.mode).toBe("acting");
      expect(mode.endsPause(at(11 * MINUTE))).toBe(false);
    }
  });

  it("goes on in the next run until the time of day at which it ends", () => {
    const mode = new ModeSwitch("acting");
    mode.pause(10 * MINUTE, at(5_000));
    const settings = mode.settings(at(6_000));
    const next = new ModeSwitch("acting");
    // Another monotonic clock, four minutes later.
    const now = { monotonicMs: 77, wallMs: WALL_MS + 5_000 + 4 * MINUTE };
    next.load(settings, now);
    expect(next.mode).toBe("paused");
    expect(next.pausedUntilMs(now)).toBe(WALL_MS + 5_000 + 10 * MINUTE);
    expect(next.endsPause(at(77 + 6 * MINUTE - 1))).toBe(false);
    expect(next.endsPause(at(77 + 6 * MINUTE))).toBe(true);
  });

  it("without an end goes on for ever, and is void once the configuration says otherwise", () => {
    const mode = new ModeSwitch("acting");
    mode.pause(undefined, at(0));
    const settings = mode.settings(at(1));
    expect(settings.pausedUntilMs).toBe("for-ever");
    const same = new ModeSwitch("acting");
    same.load(settings, at(2));
    expect(same.endsPause(at(400 * DAY))).toBe(false);
    expect(same.mode).toBe("paused");
    expect(same.pausedUntilMs(at(3))).toBeUndefined();
    const other = new ModeSwitch("dry-run");
    other.load(settings, at(2));
    expect(other.mode).toBe("dry-run");
  });
});
