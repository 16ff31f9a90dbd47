/** How long, how likely and how it ended, as people read it. */
import { SYMPTOMS, type SymptomDefinition } from "@hearthmesh/healing";
import type { IncidentView, RemedyCandidateView } from "../contracts/healing.js";

/** `840 ms`, `4.1 s`, `2 min 5 s`, `3 h 10 min`, `2 d 4 h`. */
export function durationText(durationMs: number): string {
  const ms = Math.max(0, durationMs);
  if (ms < 999.5) return `${Math.round(ms)} ms`;
  if (ms < 59_950) return `${trimmed(ms / 1_000)} s`;
  const units = [
    [86_400, "d", 3_600, "h"],
    [3_600, "h", 60, "min"],
    [60, "min", 1, "s"],
  ] as const;
  const seconds = Math.round(ms / 1_000);
  const [size, name, small, smallName] = units.find(([size]) => seconds >= size) ?? units[2];
  const rest = Math.floor((seconds % size) / small);
  const whole = `${Math.floor(seconds / size)} ${name}`;
  return rest === 0 ? whole : `${whole} ${rest} ${smallName}`;
}

/** A moment as a person reads it: `2026-11-21`, `22:14:05` and `UTC` or `+01:00`. */
export interface Moment {
  readonly day: string;
  readonly clock: string;
  readonly zone: string;
}

/** What a date can hold (ECMA-262, 21.4.1.1), and four digits of a year. */
const MOMENT_MS_MAX = 253_402_300_799_999;

/** `offsetMinutes`: of the time zone, east of UTC. A time out of reach is the last within it. */
export function momentOf(atMs: number, offsetMinutes: number): Moment {
  const localMs = Math.min(MOMENT_MS_MAX, Math.max(0, atMs + offsetMinutes * 60_000));
  const shifted = new Date(localMs).toISOString();
  const two = (value: number) => String(Math.floor(value)).padStart(2, "0");
  const size = Math.abs(offsetMinutes);
  const zone = `${offsetMinutes < 0 ? "-" : "+"}${two(size / 60)}:${two(size % 60)}`;
  const [day = "", rest = ""] = shifted.split("T");
  return { day, clock: rest.slice(0, 8), zone: offsetMinutes === 0 ? "UTC" : zone };
}

function trimmed(seconds: number): string {
  return (seconds < 10 ? seconds.toFixed(1) : seconds.toFixed(0)).replace(/\.0$/, "");
}

/** `helped in 86 % of 7 uses`. Uses are decayed counts, so they need not be whole. */
export function successText({ success, uses }: RemedyCandidateView): string {
  if (uses < 0.05) return "not used here before";
  const times = Number.isInteger(uses) ? String(uses) : `about ${uses.toFixed(1)}`;
  if (uses === 1) return success >= 0.5 ? "helped the one time" : "did not help the one time";
  return `helped in ${Math.round(success * 100)} % of ${times} uses`;
}

/** The rest of the sentence that begins with the title. */
export function outcomeText(incident: IncidentView, nowMs: number): string {
  const { state, remedies, dryRun } = incident;
  const last = remedies.at(-1);
  const took = durationText(tookMs(incident, nowMs));
  if (isNote(incident)) {
    return state === "open" ? `for ${took} now; nothing is to be mended` : `over after ${took}`;
  }
  switch (state) {
    case "mended":
      return `mended by ${last ?? "a remedy"} after ${took}`;
    case "passed":
      return `gone by itself after ${took}${dryRun ? " (dry run: nothing was done)" : ""}`;
    case "ended":
      return `ended after ${took} without being mended`;
    case "given-up": {
      if (dryRun) return `not mended for ${took} (dry run: nothing is done)`;
      const used = new Set(remedies).size;
      const what = used === 1 ? `${last} did not help` : `${used} remedies did not help`;
      return used === 0 ? `no remedy for ${took}` : `not mended for ${took}: ${what}`;
    }
    case "mending":
      return `${last ?? "a remedy"} is being applied, ${took} after the first sign`;
    case "verifying":
      return `${last ?? "a remedy"} was applied; whether it helped is not known yet (${took})`;
    case "open": {
      if (dryRun) return `open for ${took} (dry run: nothing is done)`;
      const step = incident.timeline.at(-1)?.step;
      if (step === "applied") return `open for ${took}, eased by ${last ?? "a remedy"}`;
      return `open for ${took}${step === "blocked" ? ", and no remedy is allowed now" : ""}`;
    }
  }
}

/** Worth a line, and no fault; a kind that this version does not know is none. */
export function isNote({ kind }: Pick<IncidentView, "kind">): boolean {
  const known: Readonly<Partial<Record<string, SymptomDefinition>>> = SYMPTOMS;
  return Object.hasOwn(SYMPTOMS, kind) && known[kind]?.isNote === true;
}

/** From the first sign to the end, or until now. */
export function tookMs(incident: IncidentView, nowMs: number): number {
  const { closedAtMs, openedAtMs, timings, timeline } = incident;
  const closed = timeline.findLast(({ step }) => step === "closed");
  // The clock of the node that saw it may be ahead of the one that is asked.
  if (closedAtMs === null) return Math.max(nowMs - openedAtMs, timeline.at(-1)?.afterMs ?? 0);
  return timings.verifiedMs ?? closed?.afterMs ?? closedAtMs - openedAtMs;
}

export function capital(text: string): string {
  return text.charAt(0).toUpperCase() + text.slice(1);
}

/** With its full stop; how it begins is left alone, since that may be a name. */
export function asSentence(text: string): string {
  return text === "" || /[.!?…]$/.test(text) ? text : `${text}.`;
}
