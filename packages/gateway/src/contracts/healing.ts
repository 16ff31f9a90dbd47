/** Healing: what a node's healer sees, what it did about it, and how a person stops it. */
import { SYMPTOMS, type SymptomKind } from "@hearthmesh/healing";
import { z } from "zod";
import { Flag, TimeMs } from "./common.js";
import type { Endpoint } from "./endpoint.js";

/** Incidents in one page of the history. */
const PAGE_MAX = 100;
const PAUSE_MS_MAX = 30 * 86_400_000;
/** No time zone is further from UTC. */
const OFFSET_MINUTES_MAX = 18 * 60;

const KINDS = Object.keys(SYMPTOMS) as [SymptomKind, ...SymptomKind[]];
/** Kinds are texts in answers: a node of a later version may know more of them than this one. */
const Kind = z.string().describe("Kind of symptom, such as `peer-unreachable`");
const RemedyName = z.string().describe("Such as `redial`");
const Mode = z.enum(["acting", "dry-run", "paused"]);
const Verdict = z.enum(["well", "ill", "unknown"]);
const Severity = z.enum(["info", "warning", "critical"]);
const SinceFirstSign = z.number().describe("Milliseconds since the first sign");

const Subject = z.lazy(() => z.object({ type: z.string(), id: z.string(), name: z.string() }));

export const RemedyCandidateView = z
  .lazy(() =>
    z.object({
      remedy: RemedyName,
      text: z.string().describe("What it would do"),
      score: z.number().describe("0 to 1: predicted success, less cost and risk"),
      success: z.number().describe("0 to 1: share of past uses that helped"),
      uses: z.number().describe("Past uses; recent ones count more"),
      blockedBy: z.string().exactOptional().describe("Why it may not be used now"),
    }),
  )
  .meta({ id: "RemedyCandidate" });
export type RemedyCandidateView = z.infer<typeof RemedyCandidateView>;

export const IncidentEntryView = z
  .lazy(() =>
    z.object({
      atMs: TimeMs,
      afterMs: SinceFirstSign,
      step: z.enum([
        ...(["seen", "detected", "decided", "blocked", "applied", "failed"] as const),
        ...(["verified", "not-helped", "rolled-back", "given-up", "closed"] as const),
      ]),
      remedy: RemedyName.exactOptional(),
      text: z.string(),
      candidates: z.array(RemedyCandidateView).exactOptional(),
      omitted: z.number().int().exactOptional().describe("So many entries were left out here"),
    }),
  )
  .meta({ id: "IncidentEntry" });
export type IncidentEntryView = z.infer<typeof IncidentEntryView>;

export const IncidentSummary = z
  .lazy(() =>
    z.object({
      id: z.string().describe("Sorts by time"),
      title: z.string().describe("One sentence: what is wrong with what"),
      nodeId: z.string().describe("The node whose healer saw it"),
      nodeName: z.string(),
      kind: Kind,
      subject: Subject,
      severity: Severity,
      state: z.enum(["open", "mending", "verifying", "given-up", "mended", "passed", "ended"]),
      openedAtMs: TimeMs,
      closedAtMs: TimeMs.nullable(),
      remedies: z.array(RemedyName).describe("Those that were used, in order"),
      timings: z.object({
        detectedMs: SinceFirstSign.exactOptional(),
        decidedMs: SinceFirstSign.exactOptional(),
        mendedMs: SinceFirstSign.exactOptional(),
        verifiedMs: SinceFirstSign.exactOptional(),
      }),
      dryRun: z.boolean().describe("Nothing was done, only said"),
    }),
  )
  .meta({ id: "IncidentSummary" });
export type IncidentSummary = z.infer<typeof IncidentSummary>;

export const IncidentView = z
  .lazy(() =>
    IncidentSummary.unwrap().extend({
      meaning: z.string(),
      advice: z.string().describe("For a person, when no remedy helps"),
      holdMs: z.number().describe("How long it had to hold before it was believed"),
      clearMs: z.number().describe("How long it has to be gone before it is over"),
      timeline: z.array(IncidentEntryView),
    }),
  )
  .meta({ id: "Incident" });
export type IncidentView = z.infer<typeof IncidentView>;

export const HealingStatusResponse = z
  .lazy(() =>
    z.object({
      nodeId: z.string(),
      nodeName: z.string(),
      mode: Mode,
      pausedUntilMs: TimeMs.nullable().describe("null while it is not paused, or for ever"),
      verdict: Verdict.describe("unknown when some monitor cannot see"),
      monitors: z.array(
        z.object({
          name: z.string(),
          verdict: Verdict,
          lookedAtMs: TimeMs.nullable().describe("null: not yet"),
          facts: z.number().int(),
          reason: z.string().exactOptional(),
        }),
      ),
      open: z.array(IncidentSummary),
      remedies: z.array(
        z.object({
          name: RemedyName,
          handles: z.array(Kind),
          applied: z.number().int(),
          helped: z.number().int(),
          failed: z.number().int(),
          breaker: z.enum(["closed", "open", "half-open"]).describe("open: not used for a while"),
        }),
      ),
      suspended: z
        .array(
          z.object({
            remedy: RemedyName,
            subject: Subject,
            failures: z.number().int().describe("In a row, for this subject"),
            forMs: z.number().describe("Milliseconds until it may be tried again"),
          }),
        )
        .describe("Remedies that rest for one subject; for others they are used"),
      budget: z.object({
        left: z.number().int().describe("Remedies that may still be used within the window"),
        of: z.number().int(),
        windowMs: z.number(),
      }),
    }),
  )
  .meta({ id: "HealingStatus" });
export type HealingStatusResponse = z.infer<typeof HealingStatusResponse>;

export const IncidentsQuery = z.lazy(() =>
  z.object({
    limit: z.coerce.number().int().min(1).max(PAGE_MAX).default(20),
    kind: z.enum(KINDS).exactOptional().describe("This kind of symptom alone"),
    node: z.string().min(1).max(255).exactOptional().describe("Seen by this node: name or id"),
    before: z.string().min(1).max(64).exactOptional().describe("Older than this incident"),
  }),
);

export const IncidentsResponse = z
  .lazy(() =>
    z.object({
      incidents: z.array(IncidentSummary).describe("The newest first"),
      more: z.boolean().describe("There are older ones: ask with `before` of the last"),
    }),
  )
  .meta({ id: "Incidents" });
export type IncidentsResponse = z.infer<typeof IncidentsResponse>;

export const IncidentParams = z.lazy(() => z.object({ incident: z.string().min(1).max(64) }));

export const IncidentResponse = z.lazy(() => z.object({ incident: IncidentView }));
export type IncidentResponse = z.infer<typeof IncidentResponse>;

export const IncidentPageQuery = z.lazy(() =>
  z.object({
    markdown: Flag.exactOptional().describe(
      "As Markdown; without it as HTML where `Accept` names that, else as text",
    ),
    offsetMinutes: z.coerce
      .number()
      .int()
      .min(-OFFSET_MINUTES_MAX)
      .max(OFFSET_MINUTES_MAX)
      .exactOptional()
      .describe("Of the times on it, east of UTC; default 0"),
  }),
);

export const HealingPlanResponse = z
  .lazy(() =>
    z.object({
      planned: z
        .array(
          z.object({
            title: z.string(),
            kind: Kind,
            subject: Subject,
            severity: Severity,
            candidates: z.array(RemedyCandidateView).describe("The best first"),
          }),
        )
        .describe("Empty: nothing is wrong that can be seen"),
    }),
  )
  .meta({ id: "HealingPlan" });
export type HealingPlanResponse = z.infer<typeof HealingPlanResponse>;

/** Without a time: until somebody resumes. */
export const HealingPauseRequest = z.lazy(() =>
  z.object({ forMs: z.number().int().min(1).max(PAUSE_MS_MAX).exactOptional() }).strict(),
);
export type HealingPauseRequest = z.infer<typeof HealingPauseRequest>;

export const HealingDryRunRequest = z.lazy(() => z.object({ on: z.boolean() }).strict());

export const HealingModeResponse = z
  .lazy(() =>
    z.object({
      nodeName: z.string(),
      mode: Mode,
      pausedUntilMs: TimeMs.nullable(),
      audited: z
        .boolean()
        .describe("It stands in the audit trail; false on a node that is no coordinator"),
    }),
  )
  .meta({ id: "HealingMode" });
export type HealingModeResponse = z.infer<typeof HealingModeResponse>;

export const HEALING_ENDPOINTS = {
  healing: {
    method: "GET",
    path: "/api/healing",
    tag: "mesh",
    summary: "What the healer of this node sees, and whether it may act",
    response: HealingStatusResponse,
  },
  incidents: {
    method: "GET",
    path: "/api/healing/incidents",
    tag: "mesh",
    summary: "Incidents, the newest first; the leading coordinator knows those of all nodes",
    query: IncidentsQuery,
    response: IncidentsResponse,
  },
  incident: {
    method: "GET",
    path: "/api/healing/incidents/:incident",
    tag: "mesh",
    summary: "One incident with all that was seen, decided and done",
    params: IncidentParams,
    response: IncidentResponse,
  },
  incidentPage: {
    method: "GET",
    path: "/api/healing/incidents/:incident/page",
    tag: "mesh",
    summary: "The same as a page for people, in text, Markdown or HTML",
    params: IncidentParams,
    query: IncidentPageQuery,
  },
  healingPlan: {
    method: "POST",
    path: "/api/healing/plan",
    tag: "mesh",
    summary: "Look at everything now and say what would be done; nothing is done",
    response: HealingPlanResponse,
  },
  pauseHealing: {
    method: "POST",
    path: "/api/healing/pause",
    tag: "mesh",
    summary: "No remedies on this node for a while, or until it is resumed; it still looks",
    body: HealingPauseRequest,
    response: HealingModeResponse,
  },
  resumeHealing: {
    method: "POST",
    path: "/api/healing/resume",
    tag: "mesh",
    summary: "The end of a pause",
    response: HealingModeResponse,
  },
  healingDryRun: {
    method: "POST",
    path: "/api/healing/dry-run",
    tag: "mesh",
    summary: "From now on only say what would be done, or act again",
    body: HealingDryRunRequest,
    response: HealingModeResponse,
  },
} as const satisfies Record<string, Endpoint>;
