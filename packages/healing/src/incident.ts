/** The record of one symptom from the first sign to the end: what a person reads afterwards. */
import type { Subject, SymptomKind } from "./fact.js";
import type { RemedyName } from "./remedy.js";
import type { Severity } from "./symptom.js";

/**
 * - `open`: seen, and nothing is under way (no remedy may be used now, healing is paused, or what
 *   makes it easier was done and holds until it is over).
 * - `mending`: a remedy is being applied.
 * - `verifying`: it was applied; whether it helped is not known yet.
 * - `given-up`: all remedies were used up; a person is needed, and it is still looked at.
 * - `mended`: gone, after a remedy.
 * - `passed`: gone by itself.
 * - `ended`: the subject is no longer spoken of, such as a node that was removed, or the daemon
 *   stopped.
 */
export type IncidentState =
  | "open"
  | "mending"
  | "verifying"
  | "given-up"
  | "mended"
  | "passed"
  | "ended";

export const CLOSED_STATES: readonly IncidentState[] = ["mended", "passed", "ended"];

export type IncidentStep =
  | "seen"
  | "detected"
  | "decided"
  | "blocked"
  | "applied"
  | "failed"
  | "verified"
  | "not-helped"
  | "rolled-back"
  | "given-up"
  | "closed";

/** One remedy that could be chosen, and what spoke for and against it. */
export interface RemedyCandidate {
  readonly remedy: RemedyName;
  /** What it would do. */
  readonly text: string;
  /** 0 to 1: predicted success, less cost and risk. */
  readonly score: number;
  /** Share of past uses that helped, with so many of them. */
  readonly success: number;
  readonly uses: number;
  readonly blockedBy?: string;
}

export interface IncidentEntry {
  /** Of the wall clock, for people. */
  readonly atMs: number;
  /** Since the first entry, monotonic. */
  readonly afterMs: number;
  readonly step: IncidentStep;
  readonly remedy?: RemedyName;
  readonly text: string;
  /** Of `decided` and `blocked`: what there was to choose from, the best first. */
  readonly candidates?: readonly RemedyCandidate[];
  /** So many entries stood here, and were left out for room. */
  readonly omitted?: number;
}

export interface Incident {
  readonly v: 1;
  /** `<base 36 time>-<random>`; the time is that of the clock of its node when it was made. */
  readonly id: string;
  /** The node whose healer saw it. */
  readonly nodeId: string;
  readonly nodeName: string;
  readonly kind: SymptomKind;
  readonly subject: Subject;
  readonly severity: Severity;
  readonly state: IncidentState;
  /** Wall clock, as all times here: of another node's incident that of the node that was told. */
  readonly openedAtMs: number;
  readonly closedAtMs?: number;
  /** `TIMELINE_MAX` at most: the first and the newest; the text of the gap says how many lack. */
  readonly timeline: readonly IncidentEntry[];
  /** Milliseconds since the first sign, monotonic; absent until then. */
  readonly timings: {
    readonly detectedMs?: number;
    readonly decidedMs?: number;
    readonly mendedMs?: number;
    readonly verifiedMs?: number;
  };
  readonly remedies: readonly RemedyName[];
  /** The healer only said what it would do. */
  readonly dryRun: boolean;
}
