/**
 * Times of an incident that another node tells, by the clock here. The clock of that node may be
 * wrong, or was set in between; how long ago something was is measured by a clock that nobody sets.
 * So all times are counted back from when it is told.
 *
 * Invariants, whatever is told: no time lies ahead of the clock here, or more than a year back;
 * what was given a time once keeps it, so an incident stays where it stands in the history.
 */
import type { Incident, IncidentEntry } from "@hearthmesh/healing";

/** Who says that something is older is not believed. */
const AGE_MS_MAX = 366 * 86_400_000;

export interface ToldAt {
  /** How long the newest entry waited before it was told, by the monotonic clock of its node. */
  readonly waitedMs: number;
  /** The wall clock here. */
  readonly nowMs: number;
  /** What is known of the same incident, in times of this clock. */
  readonly before: Incident | undefined;
}

export function timedHere(told: Incident, { waitedMs, nowMs, before }: ToldAt): Incident {
  const afters = told.timeline.map(({ afterMs }) => afterMs);
  const ageMs = Math.max(0, ...afters) + waitedMs;
  const said = [...(before?.timeline ?? [])].reverse();
  // Of two that look alike the first.
  const known = new Map(said.map((entry) => [keyOf(entry), entry.atMs]));
  const timeAt = (afterMs: number) => nowMs - Math.round(Math.min(AGE_MS_MAX, ageMs - afterMs));
  const openedAtMs = before?.openedAtMs ?? timeAt(0);
  let lastMs = openedAtMs;
  const timeline = told.timeline.map((entry) => {
    lastMs = Math.max(lastMs, known.get(keyOf(entry)) ?? timeAt(entry.afterMs));
    return { ...entry, atMs: lastMs };
  });
  const closed = told.closedAtMs === undefined ? {} : { closedAtMs: lastMs };
  return { ...told, openedAtMs, timeline, ...closed };
}

function keyOf({ step, afterMs }: IncidentEntry): string {
  return `${step} ${afterMs}`;
}
