/**
 * Whose clock is off, from the differences to the clocks of others. No clock is right by itself:
 * the median of all, this one included, counts as the time (as in Marzullo's and NTP's choice among
 * several servers). With two clocks nobody can say which one is wrong, nor with two halves. Pure.
 */
import { CLOCK_SKEW_MS_MAX } from "./limits.js";

export interface ClockOffset {
  readonly nodeId: string;
  readonly name: string;
  /** Its time less ours. */
  readonly offsetMs: number;
  /** It is right by at most this, half of a round trip. */
  readonly errorMs: number;
}

export interface ClockJudgement {
  /** Ours less the median; undefined when nobody can tell. */
  readonly ownOffMs: number | undefined;
  /** Those that differ from the median by more than the mark; of one peer, from ours. */
  readonly off: readonly ClockOffset[];
  readonly asked: number;
}

export function judgeClocks(offsets: readonly ClockOffset[]): ClockJudgement {
  const asked = offsets.length;
  if (asked < 2) {
    const off = offsets.filter((one) => isOff(one.offsetMs, one.errorMs));
    return { ownOffMs: off.length === 0 && asked === 1 ? 0 : undefined, off, asked };
  }
  const [median, other] = middleOf([0, ...offsets.map(({ offsetMs }) => offsetMs)]);
  if (isOff(other - median)) return { ownOffMs: undefined, off: [], asked };
  const off = offsets.filter((one) => isOff(one.offsetMs - median, one.errorMs));
  return { ownOffMs: -median, off, asked };
}

export function isOff(ms: number, errorMs = 0): boolean {
  return Math.abs(ms) - errorMs > CLOCK_SKEW_MS_MAX;
}

/** Of an even count two: the lower one counts as the median, a time that somebody has. */
function middleOf(numbers: readonly number[]): [number, number] {
  const sorted = [...numbers].sort((a, b) => a - b);
  const lower = sorted[Math.floor((sorted.length - 1) / 2)] ?? 0;
  return [lower, sorted[Math.floor(sorted.length / 2)] ?? lower];
}
