/**
 * The budget, the rates and the breakers of a healer as a record that outlives the daemon, so that
 * one that is started again and again has no more remedies than one that runs. Times are of the
 * wall clock, milliseconds.
 */
import type { Subject } from "./fact.js";
import type { RemedyName } from "./remedy.js";

/** Uses of a remedy for one subject, the oldest first. */
export interface RateRecord {
  readonly remedy: RemedyName;
  readonly subject: Subject;
  readonly atMs: readonly number[];
  readonly windowMs: number;
}

/** Failures in a row of a remedy for one subject. */
export interface BreakerRecord {
  readonly remedy: RemedyName;
  readonly subject: Subject;
  readonly failures: number;
  /** Absent while it is closed. */
  readonly openedAtMs?: number;
  readonly lastAtMs: number;
}

/** Subjects that a remedy failed for since it helped one. */
export interface RemedyBreakerRecord {
  readonly remedy: RemedyName;
  readonly failedFor: readonly { readonly subject: Subject; readonly atMs: number }[];
  /** Absent while it is closed. */
  readonly openedAtMs?: number;
}

export interface GatesRecord {
  readonly v: 1;
  /** Uses of all remedies within the window of the budget, the oldest first. */
  readonly usesAtMs: readonly number[];
  readonly rates: readonly RateRecord[];
  readonly subjects: readonly BreakerRecord[];
  readonly remedies: readonly RemedyBreakerRecord[];
}
