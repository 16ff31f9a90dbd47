/** What the checker says of a history. */
import type { Call } from "./calls.js";
import { PROBLEMS_LISTED_MAX } from "./limits.js";

/** `unknown`: nothing wrong was found, and not everything could be looked at. */
export type Verdict = "linearizable" | "violation" | "unknown";

export type Rule =
  | "order of each key"
  | "order of the whole store"
  | "order of revisions"
  | "watch"
  | "lock";

export interface Problem {
  readonly rule: Rule;
  /** One sentence. */
  readonly words: string;
  /** The calls that contradict each other, as few as were found, in order of their start. */
  readonly window: readonly Call[];
}

export interface CheckReport {
  readonly verdict: Verdict;
  /** The first `PROBLEMS_LISTED_MAX`. */
  readonly problems: readonly Problem[];
  readonly problemsFound: number;
  /** Why something could not be decided. */
  readonly doubts: readonly string[];
  readonly counts: {
    readonly ok: number;
    readonly fail: number;
    readonly info: number;
    readonly keys: number;
    readonly revisions: number;
    readonly batches: number;
    readonly faults: number;
    /** Configurations of all searches. */
    readonly states: number;
  };
}

/** Collects what the rules find. */
export class Findings {
  readonly problems: Problem[] = [];
  readonly doubts: string[] = [];
  found = 0;

  problem(rule: Rule, words: string, window: readonly (Call | undefined)[]): void {
    this.found++;
    if (this.problems.length === PROBLEMS_LISTED_MAX) return;
    const known = window.filter((call) => call !== undefined);
    const unique = [...new Set(known)].sort((a, b) => a.startUs - b.startUs || a.id - b.id);
    this.problems.push({ rule, words, window: unique });
  }

  doubt(words: string): void {
    if (this.doubts.length < PROBLEMS_LISTED_MAX) this.doubts.push(words);
  }

  get verdict(): Verdict {
    if (this.found > 0) return "violation";
    return this.doubts.length > 0 ? "unknown" : "linearizable";
  }
}
