/**
 * What an incident tells, in the order of a post-mortem: all of it in one sentence, what was seen
 * and by whom, what it means, what happened when, what was decided and why, what was done, whether
 * it worked and how that was checked, how long each took, and what is left for a person. Pure: a
 * record in, sections out.
 *
 * Names and sentences of a record may come from other nodes. All of them go through `quote`.
 */
import { printable } from "@hearthmesh/core";
import type { IncidentEntryView, IncidentView } from "../contracts/healing.js";
import { inShort } from "./incident-short.js";
import {
  asSentence,
  capital,
  durationText,
  isNote,
  momentOf,
  outcomeText,
  successText,
  tookMs,
} from "./incident-words.js";

/** The rest of a node's id tells people nothing. */
const ID_LENGTH_SHOWN = 12;

/** Longer texts of a record are cut: a page is for reading. */
const TEXT_LENGTH_MAX = 600;

export interface StoryLine {
  /** A time since the first sign, in front of the text. */
  readonly mark?: string;
  readonly text: string;
  /** Belongs to the line above. */
  readonly isDetail?: boolean;
}

interface StorySection {
  readonly title: string;
  readonly lines: readonly StoryLine[];
}

export interface Story {
  readonly title: string;
  readonly outcome: string;
  /** Id, severity, who saw it and when. */
  readonly facts: string;
  readonly sections: readonly StorySection[];
}

export interface StoryOptions {
  /** Of the wall clock. */
  readonly nowMs: number;
  /** Makes printable text of others mean nothing but itself in the form that is written. */
  escapeText(text: string): string;
  /** The same for sentences of the catalogue, whose own marks (CommonMark) may stay. */
  escapeOwn(text: string): string;
  /** Of the time zone at that moment, east of UTC. */
  offsetMinutes(atMs: number): number;
}

type Told = IncidentView & {
  readonly quote: (text: string) => string;
  readonly offsetMinutes: StoryOptions["offsetMinutes"];
};

export function incidentStory(incident: IncidentView, options: StoryOptions): Story {
  const { escapeText, escapeOwn, offsetMinutes, nowMs } = options;
  const quote = (text: string) => {
    const cut = text.length > TEXT_LENGTH_MAX ? `${text.slice(0, TEXT_LENGTH_MAX)}…` : text;
    return escapeText(printable(cut));
  };
  const { id, severity, nodeName, nodeId, openedAtMs, title } = incident;
  const told: Told = {
    ...{ ...incident, title: quote(title), nodeName: quote(nodeName) },
    ...{ remedies: incident.remedies.map(quote) },
    // The command line has them from the node that it asks.
    meaning: escapeOwn(printable(incident.meaning)),
    advice: escapeOwn(printable(incident.advice)),
    ...{ quote, offsetMinutes },
  };
  const time = (atMs: number) => {
    const { day, clock, zone } = momentOf(atMs, offsetMinutes(atMs));
    return `${day} ${clock} ${zone}`;
  };
  const by = `${told.nodeName} (${quote(nodeId.slice(0, ID_LENGTH_SHOWN))})`;
  const until = incident.closedAtMs === null ? "" : ` to ${time(incident.closedAtMs)}`;
  const facts = [
    `incident ${quote(id)}`,
    quote(severity),
    `seen by ${by}`,
    time(openedAtMs) + until,
  ];
  return {
    title: told.title,
    outcome: outcomeText(told, nowMs),
    facts: capital(facts.join(" · ")),
    sections: [
      { title: "In short", lines: [{ text: inShort(told, time(openedAtMs), nowMs) }] },
      { title: "What was seen", lines: seen(told) },
      { title: "What it means", lines: [{ text: meaning(told, nowMs) }] },
      { title: "Timeline", lines: timeline(told) },
      { title: "What was decided, and why", lines: decided(told) },
      { title: "What was done", lines: done(told) },
      { title: "Whether it worked", lines: worked(told) },
      { title: "How long it took", lines: [{ text: times(told) }] },
      { title: "What a person should do", lines: [{ text: forPerson(told) }] },
    ],
  };
}

function mark({ afterMs }: IncidentEntryView): string {
  return `+${durationText(afterMs)}`;
}

/** With the name of the remedy where there is one. */
const STEP_WORDS: Readonly<Record<IncidentEntryView["step"], (remedy?: string) => string>> = {
  seen: () => "seen",
  detected: () => "believed",
  decided: (remedy) => (remedy === undefined ? "decided" : `decided on ${remedy}`),
  blocked: () => "no remedy",
  applied: (remedy) => `${remedy ?? "a remedy"} applied`,
  failed: (remedy) => `${remedy ?? "a remedy"} failed`,
  verified: (remedy) => (remedy === undefined ? "verified" : `${remedy} verified`),
  "not-helped": (remedy) => `${remedy ?? "a remedy"} did not help`,
  "rolled-back": (remedy) => `${remedy ?? "a remedy"} taken back`,
  "given-up": () => "given up",
  closed: () => "closed",
};

/** With the time of day in front; with the day, too, where it is another one than at the start. */
function timeline(told: Told): StoryLine[] {
  const { timeline: entries, openedAtMs, offsetMinutes } = told;
  const { day: firstDay } = momentOf(openedAtMs, offsetMinutes(openedAtMs));
  const times = entries.map(({ atMs }) => {
    const { day, clock } = momentOf(atMs, offsetMinutes(atMs));
    return day === firstDay ? clock : `${day} ${clock}`;
  });
  const marks = entries.map(mark);
  const width = Math.max(0, ...marks.map((text) => text.length));
  return entries.map((entry, at) => ({
    mark: `${times[at]}  ${marks[at]?.padStart(width)}`,
    text: stepText(told, entry),
  }));
}

function stepText({ quote }: Told, { step, remedy, text, omitted }: IncidentEntryView): string {
  if (omitted !== undefined) return `(${quote(text)})`;
  const what = STEP_WORDS[step](remedy === undefined ? undefined : quote(remedy));
  return text === "" ? what : `${what}: ${quote(text)}`;
}

function withStep({ timeline }: Told, ...steps: IncidentEntryView["step"][]): IncidentEntryView[] {
  return timeline.filter(({ step, omitted }) => omitted === undefined && steps.includes(step));
}

function seen(told: Told): StoryLine[] {
  const { quote, nodeName, subject, holdMs, timings } = told;
  const evidence = withStep(told, "seen", "detected").filter(
    // That it was believed is often told in the words of the title.
    ({ text, step }, at, all) =>
      all.findIndex((one) => one.text === text) === at &&
      (step === "seen" || !quote(text).startsWith(told.title)),
  );
  // "the mesh" and "the store of attic" need no type in front.
  const isTyped = subject.name.includes(subject.type) || subject.name.startsWith("the ");
  const what = isTyped ? subject.name : `${subject.type} ${subject.name}`;
  const about = `${nodeName} looked at ${quote(what)}`;
  const isNamed = subject.id === subject.name || subject.id === "";
  const id = isNamed ? "" : ` (${quote(subject.id.slice(0, ID_LENGTH_SHOWN))})`;
  const lines: StoryLine[] = [{ text: `${about}${id} and noted:` }];
  for (const entry of evidence) {
    lines.push({ mark: mark(entry), text: asSentence(quote(entry.text)) });
  }
  if (evidence.length === 0) lines.push({ text: "No evidence was kept." });
  if (told.kind === "clock-skew") {
    lines.push({
      text: "Times of day on this page are those of the clock of the node that shows it.",
    });
  }
  const { detectedMs } = timings;
  if (detectedMs !== undefined) lines.push({ text: believed(holdMs, detectedMs) });
  return lines;
}

/** And how long people had to live with it. */
function meaning(told: Told, nowMs: number): string {
  const took = durationText(tookMs(told, nowMs));
  const lasted = told.closedAtMs === null ? `It has lasted ${took} by now` : `It lasted ${took}`;
  return `${told.meaning} ${lasted}.`;
}

/** The rule of the catalogue is told where it was the one that held: a monitor may have its own. */
function believed(holdMs: number, detectedMs: number): string {
  const when = durationText(detectedMs);
  if (holdMs === 0 && detectedMs < 100) return "Such a sign is believed at once.";
  if (holdMs === 0 || detectedMs < holdMs) return `It was believed after ${when}.`;
  const held = durationText(holdMs);
  return `Such a sign is believed only after it has held for ${held}; here that was after ${when}.`;
}

const SCORE_RULE =
  "A score is the share of past uses that helped, less cost and risk; " +
  "of what is possible, the highest is used.";

function decided(told: Told): StoryLine[] {
  const { quote, dryRun } = told;
  const lines: StoryLine[] = [];
  const choices = withStep(told, "decided", "blocked");
  // Where there was nothing to choose from, the healer says so when it gives up.
  for (const entry of choices.length > 0 ? choices : withStep(told, "given-up")) {
    const { remedy, text, step, candidates = [] } = entry;
    const isChosen = step === "decided";
    const why = candidates.length > 0 && !isChosen ? "none is possible now" : quote(text);
    const what = `${isChosen ? quote(remedy ?? "a remedy") : "no remedy"}: ${why}`;
    lines.push({ mark: mark(entry), text: asSentence(what) });
    // The only one that there was, and it was taken: the line above says all of it.
    const isOnly = candidates.length === 1 && candidates[0]?.remedy === remedy && isChosen;
    for (const candidate of isOnly ? [] : candidates) {
      const { score, blockedBy } = candidate;
      const name = quote(candidate.remedy);
      const facts = `${score.toFixed(2)}, ${successText(candidate)}`;
      const verdict =
        blockedBy !== undefined
          ? `not possible: ${quote(blockedBy)}`
          : isChosen && candidate.remedy === remedy
            ? "chosen, the best of what was possible"
            : "possible";
      lines.push({ isDetail: true, text: `${name} (score ${facts}): ${verdict}` });
    }
  }
  if (lines.some(({ isDetail }) => isDetail)) lines.push({ text: SCORE_RULE });
  if (lines.length > 0 && dryRun) {
    lines.push({ text: "Healing ran dry: this is what it would have done." });
  }
  if (lines.length > 0) return lines;
  const isOver = told.closedAtMs !== null;
  return [{ text: isOver ? "Nothing: it was over before that." : "Nothing yet." }];
}

function done(told: Told): StoryLine[] {
  const { quote, dryRun } = told;
  const entries = withStep(told, "applied", "failed", "rolled-back");
  if (entries.length === 0) {
    return [{ text: dryRun ? "Nothing, since healing ran dry." : "Nothing." }];
  }
  return entries.map((entry) => {
    const { step, remedy = "a remedy", text } = entry;
    const how = { failed: " failed", "rolled-back": " was taken back" }[step as string] ?? "";
    return { mark: mark(entry), text: asSentence(`${quote(remedy)}${how}: ${quote(text)}`) };
  });
}

function worked(told: Told): StoryLine[] {
  const { quote, clearMs, state } = told;
  if (isNote(told)) {
    const now = state === "open" ? "It stands here until it is over" : "It is over";
    return [{ text: `${now}: there was nothing to be mended.` }];
  }
  const checks = withStep(told, "verified", "not-helped");
  const lines = checks.map((entry): StoryLine => {
    const { step, remedy, text } = entry;
    const name = remedy === undefined ? "" : ` (${quote(remedy)})`;
    const verdict = step === "verified" ? "Yes" : "No";
    return { mark: mark(entry), text: `${verdict}${name}: ${asSentence(quote(text))}` };
  });
  const quiet =
    clearMs === 0
      ? "as soon as it looks and finds it well"
      : `when it has found it well for ${durationText(clearMs)} without a break`;
  const rule = `The monitor that saw it decides: the symptom counts as gone ${quiet}.`;
  const sentence = {
    mended: lines.length === 0 ? "Yes: the symptom is gone." : "",
    passed: `It went away ${told.remedies.length === 0 ? "without a remedy" : "by itself"}.`,
    ended: "Not known: nothing speaks of the subject any longer.",
    "given-up": "No: it is still there.",
  }[state as string];
  const verdict = sentence ?? (lines.length === 0 ? "Not known yet." : "");
  return [...lines, { text: `${verdict} ${rule}`.trim() }];
}

function times({ timings, state, timeline }: Told): string {
  const { detectedMs, decidedMs, mendedMs, verifiedMs } = timings;
  // Only what was verified is known to have mended it.
  const applied = state === "mended" ? "mended" : "newest remedy applied";
  const parts = [
    ["detected", detectedMs],
    ["decided", decidedMs],
    [applied, mendedMs],
    ["verified", verifiedMs],
  ] as const;
  const told = parts.map(([name, ms]) => (ms === undefined ? "" : `${name} ${durationText(ms)}`));
  const closed = timeline.find(({ step }) => step === "closed");
  if (closed !== undefined && verifiedMs === undefined) {
    told.push(`over after ${durationText(closed.afterMs)}`);
  }
  const known = told.filter((one) => one !== "");
  if (known.length === 0) return "Nothing was measured.";
  return `Since the first sign: ${known.join(", ")}.`;
}

function forPerson(told: Told): string {
  const { state, severity, advice, dryRun, remedies, timeline } = told;
  if (isNote(told)) return told.closedAtMs === null ? advice : "Nothing.";
  const again = `Nothing now. When it happens again: ${advice}`;
  if (state === "passed" || state === "ended") {
    return severity === "info" ? "Nothing, unless it happens again." : again;
  }
  if (state === "mended") {
    return timeline.some(({ step }) => step === "not-helped" || step === "failed")
      ? again
      : "Nothing.";
  }
  if (dryRun) return `${advice} \`mesh heal dry-run --off\` lets the healer act again.`;
  if (state === "given-up") {
    const retry = remedies.length === 0 ? "" : " The healer tries again, less and less often.";
    return `${advice}${retry}`;
  }
  const isBlocked = timeline.at(-1)?.step === "blocked";
  return isBlocked ? advice : `Nothing yet: it is under way. If it stays: ${advice}`;
}
