/**
 * What is done about one open symptom. One remedy at a time:
 *
 *     idle --apply--> applying --applied--> verifying --gone--> (rolling back) --> closed
 *       ^                | failed              | not gone in time
 *       +----------------+---- rolling back ---+
 *
 * A case that is idle and has tried everything is given up, and begins anew at `retryAtMs`.
 */
import { CLOSED_STATES, type Incident, type IncidentState } from "../incident.js";
import type { RemedyName } from "../remedy.js";
import type { Symptom } from "../symptom.js";
import type { Run } from "./healer-events.js";

type CasePhase = "idle" | "applying" | "verifying" | "rolling-back";

interface CaseRun extends Run {
  readonly beganAtMs: number;
  /** When it must have helped; set once it was applied. */
  verifyByMs: number | undefined;
  /** Nothing came of it: whatever happens next is not its doing. */
  changedNothing: boolean;
  /** Its end was put off once, because nobody could see. */
  isExtended: boolean;
}

export interface HealingCase {
  readonly key: string;
  /** When it began, monotonic; before the start of the daemon for one that was taken over. */
  readonly sinceMs: number;
  symptom: Symptom;
  incident: Incident;
  phase: CasePhase;
  run: CaseRun | undefined;
  /** How it ends once what was done is taken back. */
  closing: { readonly state: IncidentState; readonly text: string } | undefined;
  /** Whose taking back was tried, whether it worked or not. */
  readonly takenBack: Set<RemedyName>;
  /** In this round. */
  tried: Set<RemedyName>;
  rounds: number;
  retryAtMs: number | undefined;
  /** Since when nothing may be done; undefined while something may. */
  blockedSinceMs: number | undefined;
  /** What was written last, so that it is written once. */
  blockedText: string | undefined;
}

export function newCase(key: string, symptom: Symptom, incident: Incident): HealingCase {
  return {
    key,
    sinceMs: symptom.sinceMs,
    symptom,
    incident,
    phase: "idle",
    run: undefined,
    closing: undefined,
    takenBack: new Set(),
    tried: new Set(),
    rounds: 0,
    retryAtMs: undefined,
    blockedSinceMs: undefined,
    blockedText: undefined,
  };
}

export function isClosed({ state }: Pick<Incident, "state">): boolean {
  return CLOSED_STATES.includes(state);
}

/** Remedies that were applied and not taken back: they are owed a rollback. */
export function notTakenBack({ timeline }: Incident): RemedyName[] {
  const owed = new Set<RemedyName>();
  for (const { step, remedy } of timeline) {
    if (remedy === undefined) continue;
    if (step === "applied" || step === "failed") owed.add(remedy);
    if (step === "rolled-back") owed.delete(remedy);
  }
  return [...owed];
}
