/**
 * An incident that comes from elsewhere: another node, a file, a record of another version. Every
 * field is bounded, so that one node cannot fill the memory or the history of another.
 */
import { healingLimits, type Incident, SYMPTOMS, type SymptomKind } from "@hearthmesh/healing";
import { z } from "zod";

/** Of one decision: more than handle any one symptom. Each takes more memory than bytes. */
const CANDIDATES_MAX = 8;
const NAME_CHARS_MAX = 255;

const kinds = Object.keys(SYMPTOMS) as [SymptomKind, ...SymptomKind[]];
const name = z.string().min(1).max(NAME_CHARS_MAX);
const text = z.string().max(healingLimits.TEXT_CHARS_MAX);
const number = z.number().finite();
const remedy = z.string().regex(/^[a-z]{1,32}(-[a-z]{1,32}){0,4}$/);
/** A time of the calendar (ECMA-262, 21.4.1.1), and a duration within it. */
const TIME_MS_MAX = 8.64e15;
const timeMs = number.min(-TIME_MS_MAX).max(TIME_MS_MAX);
const durationMs = number.min(0).max(TIME_MS_MAX);
const afterMs = durationMs.optional();

const candidate = z.object({
  remedy,
  text,
  score: number,
  success: number,
  uses: number,
  blockedBy: text.optional(),
});

const entry = z.object({
  atMs: timeMs,
  afterMs: durationMs,
  step: z.enum([
    ...(["seen", "detected", "decided", "blocked", "applied", "failed", "verified"] as const),
    ...(["not-helped", "rolled-back", "given-up", "closed"] as const),
  ]),
  remedy: remedy.optional(),
  text,
  candidates: z.array(candidate).max(CANDIDATES_MAX).optional(),
  omitted: number.int().min(1).optional(),
});

const incident = z.object({
  v: z.literal(1),
  id: z.string().regex(/^[0-9a-z]{8,10}-[a-z2-7]{8}$/),
  nodeId: name,
  nodeName: name,
  kind: z.enum(kinds),
  subject: z.object({ type: name, id: name, name }),
  severity: z.enum(["info", "warning", "critical"]),
  state: z.enum(["open", "mending", "verifying", "given-up", "mended", "passed", "ended"]),
  openedAtMs: timeMs,
  closedAtMs: timeMs.optional(),
  timeline: z.array(entry).max(healingLimits.TIMELINE_MAX),
  timings: z.object({
    detectedMs: afterMs,
    decidedMs: afterMs,
    mendedMs: afterMs,
    verifiedMs: afterMs,
  }),
  remedies: z.array(remedy).max(CANDIDATES_MAX),
  dryRun: z.boolean(),
});

/** Undefined when it is none, or one that this version does not know. */
export function readIncident(value: unknown): Incident | undefined {
  const { success, data } = incident.safeParse(value);
  // What is absent is absent in the answer too; names of remedies are only shown.
  return success ? (data as Incident) : undefined;
}
