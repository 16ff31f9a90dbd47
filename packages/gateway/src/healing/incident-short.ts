/** An incident in one sentence: who saw what and when, what was done, and how it ended. */
import type { IncidentView } from "../contracts/healing.js";
import { durationText, isNote, tookMs } from "./incident-words.js";

/** Of an incident whose texts are harmless by now. `when`: the first sign, for people. */
export function inShort(incident: IncidentView, when: string, nowMs: number): string {
  const { nodeName, title } = incident;
  const did = isNote(incident) ? "that is no fault, and nothing was to be mended" : done(incident);
  const seen = `${nodeName} saw at ${when} that ${title}`;
  return `${seen}; ${did}; ${ended(incident, durationText(tookMs(incident, nowMs)))}.`;
}

function done({ dryRun, remedies, state, timeline }: IncidentView): string {
  if (dryRun) return "healing ran dry, so nothing was done";
  const last = remedies.at(-1);
  if (last === undefined) {
    const isBarred = timeline.some(({ step }) => step === "blocked" || step === "given-up");
    return isBarred ? "there was no remedy that could be used" : "no remedy was used";
  }
  if (state === "mending") return `${last} is being applied`;
  const used = [...new Set(remedies)];
  const inVain = used.filter((name) => state !== "mended" || name !== last);
  const isKnown = timeline.some(({ step }) => step === "not-helped" || step === "failed");
  if (state === "verifying" || !isKnown) return `${list(used)} ${was(used)} used`;
  if (inVain.length === 0) return `${last} was used`;
  const helped = state === "mended" ? ` and ${last} was used` : "";
  return `${list(inVain)} did not help${helped}`;
}

function ended({ state }: IncidentView, took: string): string {
  return {
    mended: `${took} after the first sign it was verified to be gone`,
    passed: `it went away by itself after ${took}`,
    ended: `it ended after ${took}, and whether it was mended is not known`,
    "given-up": `after ${took} it is still there, and a person is needed`,
    open: `after ${took} it is still there`,
    mending: `that is ${took} after the first sign`,
    verifying: `whether that helped is not known yet, ${took} after the first sign`,
  }[state];
}

const list = (names: readonly string[]) => names.join(" and ");
const was = (names: readonly string[]) => (names.length === 1 ? "was" : "were");
