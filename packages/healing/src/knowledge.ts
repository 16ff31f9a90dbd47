/** What the healer remembers between runs of the daemon. */
import type { SymptomKind } from "./fact.js";
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

/** Handed in: the member's store on a coordinator, a file elsewhere. */
export interface KnowledgeStore {
  load(): Promise<{ incidents: readonly Incident[]; remedies: readonly RemedyRecord[] }>;
  /** Written at each change of its state; the newest `INCIDENTS_KEPT_MAX` are kept. */
  saveIncident(incident: Incident): Promise<void>;
  saveRemedy(record: RemedyRecord): Promise<void>;
}
