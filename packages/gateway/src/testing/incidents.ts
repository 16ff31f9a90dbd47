/** Incidents as a healer writes them, for tests of the doors and of their pages. */
import type { Incident, IncidentEntry, IncidentStep } from "@hearthmesh/healing";

/** 2026-11-21T22:14:05Z. */
export const OPENED_MS = Date.UTC(2026, 10, 21, 22, 14, 5);

export function entry(
  afterMs: number,
  step: IncidentStep,
  text: string,
  more: Partial<Pick<IncidentEntry, "remedy" | "candidates">> = {},
): IncidentEntry {
  return { atMs: OPENED_MS + afterMs, afterMs, step, text, ...more };
}

const ATTIC = { type: "node", id: "b71c".repeat(16), name: "attic" } as const;

const SEEN_BY = {
  v: 1,
  nodeId: "a1f0".repeat(16),
  nodeName: "home",
  openedAtMs: OPENED_MS,
} as const;

/** A peer that went, a first remedy that did not help, a second one that did. */
export function mendedIncident(id = "mi8k2x4c-9f31ab77"): Incident {
  return {
    ...{ ...SEEN_BY, id, kind: "peer-unreachable", subject: ATTIC, severity: "warning" },
    ...{ state: "mended", closedAtMs: OPENED_MS + 9_400, dryRun: false },
    remedies: ["redial", "re-route"],
    timings: { detectedMs: 0, decidedMs: 3, mendedMs: 6_100, verifiedMs: 9_400 },
    timeline: [
      entry(
        0,
        "seen",
        "3 probes of attic within 1.2 s were not answered, nor were those of 2 others",
      ),
      entry(0, "detected", "membership declared attic dead after 2.8 s of suspicion"),
      entry(3, "decided", "dial all 3 addresses of attic", {
        remedy: "redial",
        candidates: [
          { remedy: "redial", text: "dial all 3 addresses", score: 0.81, success: 0.86, uses: 7 },
          { remedy: "re-route", text: "go through shed", score: 0.55, success: 0.5, uses: 2 },
          {
            ...{ remedy: "fail-over-hub", text: "use another hub", score: 0.4, success: 0.5 },
            ...{ uses: 0, blockedBy: "this node has no second hub" },
          },
        ],
      }),
      entry(1_050, "applied", "dialled 3 addresses of attic, none answered within 1 s", {
        remedy: "redial",
      }),
      entry(5_050, "not-helped", "4 s later attic was still not reachable", { remedy: "redial" }),
      entry(5_053, "decided", "send what is for attic through shed (12 ms)", {
        remedy: "re-route",
        candidates: [
          { remedy: "re-route", text: "go through shed", score: 0.55, success: 0.5, uses: 2 },
        ],
      }),
      entry(6_100, "applied", "opened a stream to attic through shed", { remedy: "re-route" }),
      entry(9_400, "verified", "attic answered 3 probes in a row through shed", {
        remedy: "re-route",
      }),
      entry(9_400, "closed", "attic is reachable again"),
    ],
  };
}

/** Everything was tried; a person is needed. */
export function givenUpIncident(id = "mi8k3000-0a0b0c0d"): Incident {
  const remedy = "restart-process" as const;
  return {
    ...{ ...SEEN_BY, id, kind: "process-down", severity: "critical", state: "given-up" },
    subject: { type: "process", id: "etcd", name: "etcd" },
    ...{ dryRun: false, remedies: [remedy, remedy, remedy] },
    timings: { detectedMs: 12, decidedMs: 14 },
    timeline: [
      entry(0, "seen", "etcd ended with exit status 2 after 41 ms"),
      entry(12, "detected", "no process answers on the port of etcd"),
      entry(14, "decided", "start etcd again", { remedy }),
      entry(1_600, "failed", "etcd ended again with exit status 2", { remedy }),
      entry(9_800, "given-up", "restart-process failed 3 times in a row and rests for 5 min"),
    ],
  };
}

/** It was over before anything had to be done. */
export function passedIncident(id = "mi8k4000-77665544"): Incident {
  return {
    ...{ ...SEEN_BY, id, kind: "load-high", severity: "info", state: "passed" },
    subject: { type: "mesh", id: "home", name: "home" },
    ...{ dryRun: false, remedies: [], closedAtMs: OPENED_MS + 43_000 },
    timings: { detectedMs: 10_000 },
    timeline: [
      entry(0, "seen", "41 requests are under way, mark 32"),
      entry(10_000, "detected", "for 10 s more than 32 requests were under way"),
      entry(43_000, "closed", "4 requests are under way"),
    ],
  };
}

/** A drastic remedy is not allowed while this side may be the one that is cut off. */
export function blockedIncident(id = "mi8k5000-11223344"): Incident {
  const blockedBy = "this side has lost 2 of 4 nodes at once and may be the one that is cut off";
  return {
    ...{ ...SEEN_BY, id, kind: "node-corrupts", severity: "critical", state: "open" },
    ...{ subject: ATTIC, dryRun: false, remedies: [], timings: { detectedMs: 0 } },
    timeline: [
      entry(0, "seen", "5 of 60 chunks read from attic had another hash, mark 3"),
      entry(0, "detected", "5 of 60 chunks read from attic had another hash, mark 3"),
      entry(4, "blocked", blockedBy, {
        candidates: [
          {
            ...{ remedy: "quarantine-node", text: "write nothing new to attic", score: 0.62 },
            ...{ success: 0.5, uses: 0, blockedBy },
          },
        ],
      }),
    ],
  };
}

/** The healer ran dry: it decided, and did nothing. */
export function dryRunIncident(id = "mi8k6000-55667788"): Incident {
  return {
    ...{ ...SEEN_BY, id, kind: "disk-filling", severity: "warning", state: "open" },
    subject: { type: "disk", id: "chunks", name: "the disk of home" },
    ...{ dryRun: true, remedies: [], timings: { detectedMs: 5_000, decidedMs: 5_001 } },
    timeline: [
      entry(0, "seen", "91 % of 512 GB are used, mark 90 %"),
      entry(5_000, "detected", "above the mark for 5 s"),
      entry(5_001, "decided", "move 12 GB of chunks to shed and attic", {
        remedy: "evacuate-disk",
      }),
    ],
  };
}

/** What a text from elsewhere may hold to break a terminal, a page or an event stream. */
export const HOSTILE_CHARACTERS = [
  ...["\n", "\r", "\t", "\u0000", "\u0007", "\u001b", "\u007f", "\u0085", "\u009b"],
  ...["\u2028", "\u2029", "\u202e", "\u2066", "\ud800", "\u{1f642}", "é", "a", "b", " ", ":"],
  ...["`", "<", ">", "[", "]", "(", ")", "*", "_", "#", "|", "~", "&", "\\", "-", "1", ".", "m"],
] as const;
