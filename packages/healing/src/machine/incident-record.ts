/** An incident as a value: each change makes a new one. */
import type {
  Incident,
  IncidentEntry,
  IncidentState,
  IncidentStep,
  RemedyCandidate,
} from "../incident.js";
import { TEXT_CHARS_MAX, TIMELINE_MAX } from "../limits.js";
import type { RemedyName } from "../remedy.js";
import type { Symptom } from "../symptom.js";
import type { Now } from "./healer-events.js";
import { headline, seconds } from "./texts.js";

/** Entries at the beginning that are never left out. */
const TIMELINE_HEAD = 8;

export interface IncidentChange {
  readonly step: IncidentStep;
  readonly text: string;
  readonly remedy?: RemedyName;
  /** What there was to choose from. */
  readonly candidates?: readonly RemedyCandidate[];
  readonly state?: IncidentState;
  /** Which time is known from now on. */
  readonly timing?: keyof Incident["timings"];
}

export function newIncident(
  id: string,
  self: { readonly nodeId: string; readonly name: string },
  symptom: Symptom,
  now: Now,
  dryRun: boolean,
): Incident {
  const { kind, subject, severity, sinceMs, evidence } = symptom;
  const openedAtMs = now.wallMs - (now.monotonicMs - sinceMs);
  const seen = evidence[0]?.text ?? headline(symptom);
  const bare: Incident = {
    v: 1,
    id,
    nodeId: self.nodeId,
    nodeName: self.name,
    kind,
    subject,
    severity,
    state: "open",
    openedAtMs,
    timeline: [{ atMs: openedAtMs, afterMs: 0, step: "seen", text: seen.slice(0, TEXT_CHARS_MAX) }],
    timings: {},
    remedies: [],
    dryRun,
  };
  const heldMs = now.monotonicMs - sinceMs;
  const held = heldMs === 0 ? "" : `, for ${seconds(heldMs)} now`;
  const text = `${headline(symptom)}${held}`;
  return changed(bare, { step: "detected", text, timing: "detectedMs" }, sinceMs, now);
}

/** `sinceMs`: when it began, monotonic. The newest state and times are those of the change. */
export function changed(
  incident: Incident,
  { step, text, remedy, candidates, state = incident.state, timing }: IncidentChange,
  sinceMs: number,
  now: Now,
): Incident {
  const afterMs = Math.max(0, Math.round(now.monotonicMs - sinceMs));
  const named = remedy === undefined ? {} : { remedy };
  const choice = candidates === undefined ? {} : { candidates };
  const said = text.slice(0, TEXT_CHARS_MAX);
  const entry: IncidentEntry = { atMs: now.wallMs, afterMs, step, ...named, text: said, ...choice };
  const timings = timing === undefined ? {} : { [timing]: afterMs };
  const isNew = step === "decided" && remedy !== undefined && !incident.remedies.includes(remedy);
  return {
    ...incident,
    state,
    timeline: bounded([...incident.timeline, entry]),
    timings: { ...incident.timings, ...timings },
    remedies: isNew ? [...incident.remedies, remedy] : incident.remedies,
    ...(step === "closed" ? { closedAtMs: now.wallMs } : {}),
  };
}

/** The first entries and the newest; one in between says how many were left out. */
function bounded(timeline: readonly IncidentEntry[]): readonly IncidentEntry[] {
  if (timeline.length <= TIMELINE_MAX) return timeline;
  const head = timeline.slice(0, TIMELINE_HEAD);
  const tail = timeline.slice(-(TIMELINE_MAX - TIMELINE_HEAD - 1));
  const dropped = timeline.slice(TIMELINE_HEAD, timeline.length - tail.length);
  const omitted = dropped.reduce((sum, one) => sum + (one.omitted ?? 1), 0);
  const last = dropped.at(-1) ?? head.at(-1);
  if (last === undefined) return tail;
  const { atMs, afterMs, step } = last;
  const text = `${omitted} entries are left out here`;
  return [...head, { atMs, afterMs, step, text, omitted }, ...tail];
}
