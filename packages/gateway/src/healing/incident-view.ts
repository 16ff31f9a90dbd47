/** The healer's records as the doors show them, with the words of the catalogue. */
import {
  type HealerService,
  type HealerStatus,
  type Incident,
  type PlannedRemedy,
  type Subject,
  SYMPTOMS,
  type SymptomDefinition,
} from "@hearthmesh/healing";
import type {
  HealingModeResponse,
  HealingPlanResponse,
  HealingStatusResponse,
  IncidentSummary,
  IncidentView,
  RemedyCandidateView,
} from "../contracts/healing.js";

/** A node of a later version may have sent a kind that this one does not know. */
function definitionOf(kind: string): SymptomDefinition {
  const known: Readonly<Partial<Record<string, SymptomDefinition>>> = SYMPTOMS;
  if (Object.hasOwn(SYMPTOMS, kind) && known[kind] !== undefined) return known[kind];
  return {
    says: `has the symptom ${kind}`,
    severity: "warning",
    holdMs: 0,
    clearMs: 0,
    meaning: "This version does not know the symptom: a node of a later one saw it.",
    advice: "Look at the incident on the node that saw it.",
  };
}

function titleOf(kind: string, { name }: Subject): string {
  return `${name} ${definitionOf(kind).says}`;
}

export function incidentSummary(incident: Incident): IncidentSummary {
  const { id, nodeId, nodeName, kind, subject, severity, state, openedAtMs, dryRun } = incident;
  const { timings, remedies, closedAtMs } = incident;
  return {
    ...{ id, nodeId, nodeName, kind, severity, state, openedAtMs, dryRun },
    title: titleOf(kind, subject),
    subject: { ...subject },
    closedAtMs: closedAtMs ?? null,
    remedies: [...remedies],
    timings: { ...timings },
  };
}

export function incidentView(incident: Incident): IncidentView {
  const { meaning, advice, holdMs, clearMs } = definitionOf(incident.kind);
  return {
    ...incidentSummary(incident),
    ...{ meaning, advice, holdMs, clearMs },
    timeline: incident.timeline.map(({ candidates, ...entry }) =>
      candidates === undefined ? entry : { ...entry, candidates: candidateViews(candidates) },
    ),
  };
}

export function healingStatusView(status: HealerStatus): HealingStatusResponse {
  const { nodeId, nodeName, mode, verdict, monitors, open, remedies, suspended, budget } = status;
  return {
    ...{ nodeId, nodeName, mode, verdict },
    pausedUntilMs: status.pausedUntilMs ?? null,
    monitors: monitors.map(({ lookedAtMs, ...monitor }) => ({
      ...monitor,
      lookedAtMs: lookedAtMs ?? null,
    })),
    open: open.map(incidentSummary),
    remedies: remedies.map((remedy) => ({ ...remedy, handles: [...remedy.handles] })),
    suspended: suspended.map((one) => ({ ...one, subject: { ...one.subject } })),
    budget: { ...budget },
  };
}

export function healingPlanView(planned: readonly PlannedRemedy[]): HealingPlanResponse {
  return {
    planned: planned.map(({ symptom, subject, severity, candidates }) => ({
      ...{ kind: symptom, subject: { ...subject }, severity },
      title: titleOf(symptom, subject),
      candidates: candidateViews(candidates),
    })),
  };
}

export function healingModeView(healer: HealerService, audited: boolean): HealingModeResponse {
  const { nodeName, mode, pausedUntilMs } = healer.status();
  return { nodeName, mode, pausedUntilMs: pausedUntilMs ?? null, audited };
}

function candidateViews(candidates: PlannedRemedy["candidates"]): RemedyCandidateView[] {
  return candidates.map((candidate) => ({ ...candidate }));
}

export interface IncidentFilter {
  readonly limit: number;
  readonly kind?: Incident["kind"];
  /** Name or id of the node that saw it. */
  readonly node?: string;
  readonly before?: string;
}

/** So many are looked at for one page at once, when not all of them fit the filter. */
const LOOK_AHEAD = 200;

/** One page of the history, the newest first. */
export function pageOfIncidents(
  healer: Pick<HealerService, "history">,
  { limit, kind, node, before }: IncidentFilter,
): { incidents: IncidentSummary[]; more: boolean } {
  const found: Incident[] = [];
  let last = before;
  while (found.length <= limit) {
    const page = healer.history({
      limit: LOOK_AHEAD,
      ...(kind === undefined ? {} : { kind }),
      ...(last === undefined ? {} : { before: last }),
    });
    const fits = (one: Incident) =>
      node === undefined || one.nodeName === node || one.nodeId === node;
    found.push(...page.filter(fits));
    const next = page.at(-1)?.id;
    if (page.length < LOOK_AHEAD || next === last) break;
    last = next;
  }
  return {
    incidents: found.slice(0, limit).map(incidentSummary),
    more: found.length > limit,
  };
}
