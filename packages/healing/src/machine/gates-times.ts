/**
 * Times of a `GatesRecord`, from the monotonic clock of one run to the wall clock and back. A time
 * that would lie ahead, because the wall clock was set back meanwhile, counts as now: what was used
 * stays used, and for no longer than its window.
 */
import type { GatesRecord } from "../gates-record.js";
import type { Now } from "./healer-events.js";

export function toWall(record: GatesRecord, { monotonicMs, wallMs }: Now): GatesRecord {
  return moved(record, (atMs) => Math.round(atMs - monotonicMs + wallMs));
}

export function toMonotonic(record: GatesRecord, { monotonicMs, wallMs }: Now): GatesRecord {
  return moved(record, (atMs) => Math.min(monotonicMs, atMs - wallMs + monotonicMs));
}

function moved(record: GatesRecord, move: (atMs: number) => number): GatesRecord {
  const opened = ({ openedAtMs }: { readonly openedAtMs?: number }) =>
    openedAtMs === undefined ? {} : { openedAtMs: move(openedAtMs) };
  return {
    v: 1,
    usesAtMs: record.usesAtMs.map(move),
    rates: record.rates.map((one) => ({ ...one, atMs: one.atMs.map(move) })),
    subjects: record.subjects.map((one) => ({
      ...{ ...one, lastAtMs: move(one.lastAtMs) },
      ...opened(one),
    })),
    remedies: record.remedies.map((one) => ({
      ...one,
      failedFor: one.failedFor.map(({ subject, atMs }) => ({ subject, atMs: move(atMs) })),
      ...opened(one),
    })),
  };
}
