import type { Incident, IncidentEntry } from "@hearthmesh/healing";
import fc from "fast-check";
import { expect, it } from "vitest";
import { timedHere } from "./incident-times.js";

const NOW_MS = 1_800_000_000_000;
const YEAR_MS = 366 * 86_400_000;
const TIME_MS_MAX = 8.64e15;

function incident(timeline: readonly IncidentEntry[], closedAtMs?: number): Incident {
  return {
    v: 1,
    id: "mwqzyds9-zwaphpdg",
    ...{ nodeId: "c", nodeName: "c", kind: "peer-unreachable", severity: "warning", state: "open" },
    subject: { type: "node", id: "b", name: "b" },
    openedAtMs: timeline[0]?.atMs ?? 0,
    ...(closedAtMs === undefined ? {} : { closedAtMs }),
    ...{ timeline, timings: {}, remedies: [], dryRun: false },
  };
}

const entry = (afterMs: number, atMs: number): IncidentEntry => ({
  ...{ afterMs, atMs, step: "seen", text: "" },
});

it("counts times back from when it is told, whatever the clock of the node says", () => {
  // Its clock was never set, then set a year ahead.
  const told = incident([entry(0, 5_000), entry(60_000, NOW_MS + YEAR_MS)], NOW_MS + YEAR_MS);
  const here = timedHere(told, { waitedMs: 30_000, nowMs: NOW_MS, before: undefined });
  expect(here.openedAtMs).toBe(NOW_MS - 90_000);
  expect(here.timeline.map(({ atMs }) => atMs)).toEqual([NOW_MS - 90_000, NOW_MS - 30_000]);
  expect(here.closedAtMs).toBe(NOW_MS - 30_000);
});

it("leaves what was told before where it stood", () => {
  const first = incident([entry(0, 1)]);
  const before = timedHere(first, { waitedMs: 0, nowMs: NOW_MS, before: undefined });
  // The machine slept for an hour, in which its monotonic clock stood still.
  const nowMs = NOW_MS + 3_600_000;
  const next = incident([entry(0, 1), entry(9_000, 2)]);
  const here = timedHere(next, { waitedMs: 0, nowMs, before });
  expect(here.openedAtMs).toBe(NOW_MS);
  expect(here.timeline.map(({ atMs }) => atMs)).toEqual([NOW_MS, nowMs]);
});

it("puts nobody ahead of the clock here or far back, in order, whatever is told (property)", () => {
  const time = fc.double({ min: -TIME_MS_MAX, max: TIME_MS_MAX, noNaN: true });
  const duration = fc.oneof(
    fc.double({ min: 0, max: TIME_MS_MAX, noNaN: true }),
    fc.nat({ max: 3 * YEAR_MS }),
  );
  const entries = fc.array(fc.tuple(duration, time), { maxLength: 12 });
  fc.assert(
    fc.property(entries, duration, fc.option(time), (told, waitedMs, closedAtMs) => {
      const timeline = told.map(([afterMs, atMs]) => entry(afterMs, atMs));
      const lie = incident(timeline, closedAtMs ?? undefined);
      const at = { waitedMs, nowMs: NOW_MS, before: undefined };
      const here = timedHere(lie, at);
      const times = [here.openedAtMs, ...here.timeline.map(({ atMs }) => atMs)];
      if (here.closedAtMs !== undefined) times.push(here.closedAtMs);
      expect(Math.max(...times)).toBeLessThanOrEqual(NOW_MS);
      expect(Math.min(...times)).toBeGreaterThanOrEqual(NOW_MS - YEAR_MS);
      expect(times).toEqual([...times].sort((a, b) => a - b));
      expect(here.closedAtMs === undefined).toBe(closedAtMs === null);
      // Told again, nothing moves.
      const later = { ...at, nowMs: NOW_MS + 60_000, before: here };
      expect(timedHere(lie, later).timeline).toEqual(here.timeline);
    }),
  );
});
