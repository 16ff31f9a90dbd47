/** What the healer remembers between runs of the daemon. */
import type { SymptomKind } from "./fact.js";
import type { GatesRecord } from "./gates-record.js";
import type { Incident } from "./incident.js";
import type { RemedyName } from "./remedy.js";

/** How often a remedy helped against a kind of symptom; recent ones count more. */
export interface RemedyRecord {
  readonly v: 1;
  readonly symptom: SymptomKind;
  readonly remedy: RemedyName;
  /** Decayed counts, so that what worked a year ago does not decide today. */
  readonly helped: number;
  readonly failed: number;
  /** Mean of what it took from `apply` to verified, milliseconds. */
  readonly tookMs: number | undefined;
}

/** What people decided with `mesh heal`; it outlives the daemon. */
export interface HealerSettings {
  readonly v: 1;
  /** What the configuration said then: when that has changed since, these are void. */
  readonly configured: "acting" | "dry-run";
  readonly dryRun: boolean;
  /** Wall clock; `for-ever` until somebody resumes. Absent: not paused. */
  readonly pausedUntilMs?: number | "for-ever";
}

export interface Remembered {
  readonly incidents: readonly Incident[];
  readonly remedies: readonly RemedyRecord[];
  readonly settings: HealerSettings | undefined;
  /** The budget and the breakers of the last run; absent: they begin anew. */
  readonly gates?: GatesRecord | undefined;
}

/** Handed in: the member's store on a coordinator, a file elsewhere. Methods may reject. */
export interface KnowledgeStore {
  /** What this node's healer knows; incidents in any order. */
  load(): Promise<Remembered>;
  /** Written at each change of its state; the newest `INCIDENTS_KEPT_MAX` are kept. */
  saveIncident(incident: Incident): Promise<void>;
  saveRemedy(record: RemedyRecord): Promise<void>;
  saveSettings(settings: HealerSettings): Promise<void>;
}
