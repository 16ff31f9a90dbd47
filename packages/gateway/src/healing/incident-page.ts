/**
 * An incident as a page that a person can read, for a terminal or in Markdown (CommonMark). Pure;
 * see `incident-story.ts` for what stands in it.
 */
import type { IncidentView } from "../contracts/healing.js";
import { incidentStory, type Story, type StoryLine } from "./incident-story.js";

export interface IncidentPageOptions {
  /** Of the wall clock: how long an open incident has lasted. */
  readonly nowMs: number;
  /** Of the reader's time zone at that moment, east of UTC; default UTC itself. */
  offsetMinutes?(atMs: number): number;
  readonly markdown?: boolean;
  /** Characters in a line of text, at least 40; Markdown is not broken into lines. Default 100. */
  readonly width?: number;
  /** Colours of a terminal. */
  readonly paint?: { heading(text: string): string; quiet(text: string): string };
}

const WIDTH_DEFAULT = 100;
const INDENT = "  ";

/** Lines without their ends. None of them holds a control character but those of `paint`. */
export function incidentPage(incident: IncidentView, options: IncidentPageOptions): string[] {
  const { nowMs, markdown = false, offsetMinutes = () => 0 } = options;
  const escapeText = markdown ? escapeMarkdown : String;
  const story = incidentStory(incident, { nowMs, offsetMinutes, escapeText, escapeOwn: String });
  return markdown ? markdownLines(story) : textLines(story, options);
}

function textLines(story: Story, options: IncidentPageOptions): string[] {
  const { width = WIDTH_DEFAULT, paint } = options;
  const { heading = String, quiet = String } = paint ?? {};
  const lines = [heading(`${story.title}: ${story.outcome}`), quiet(story.facts)];
  for (const section of story.sections) {
    lines.push("", heading(section.title));
    const marks = section.lines.map((line) => line.mark?.length ?? 0);
    const markWidth = Math.max(0, ...marks);
    for (const line of section.lines) {
      lines.push(...textOf(line, markWidth, Math.max(40, width), quiet));
    }
  }
  return lines;
}

/** The mark in a column of its own, the text broken into lines beside it. */
function textOf(
  { mark, text, isDetail = false }: StoryLine,
  markWidth: number,
  width: number,
  quiet: (text: string) => string,
): string[] {
  const hasColumn = mark !== undefined || isDetail;
  const column = hasColumn ? `${(mark ?? "").padStart(markWidth)}  ` : "";
  const bullet = isDetail ? "- " : "";
  const room = width - INDENT.length - column.length - bullet.length;
  const [first = "", ...rest] = wrapped(text, room);
  const blank = " ".repeat(column.length + bullet.length);
  return [
    `${INDENT}${quiet(column)}${bullet}${first}`,
    ...rest.map((one) => `${INDENT}${blank}${one}`),
  ];
}

function wrapped(text: string, width: number): string[] {
  const lines: string[] = [];
  let line = "";
  for (const word of text.split(" ")) {
    if (line !== "" && line.length + 1 + word.length > width) {
      lines.push(line);
      line = word;
    } else line = line === "" ? word : `${line} ${word}`;
  }
  return [...lines, line];
}

function markdownLines({ title, outcome, facts, sections }: Story): string[] {
  const lines = [`# ${title}: ${outcome}`, "", facts];
  for (const section of sections) {
    lines.push("", `## ${section.title}`, "");
    const isList = section.lines.some((line) => line.mark !== undefined);
    for (const [at, { mark, text, isDetail = false }] of section.lines.entries()) {
      const before = section.lines[at - 1];
      const isItem = mark !== undefined || isDetail;
      const wasItem = before?.mark !== undefined || before?.isDetail === true;
      // Text beside a list is a paragraph of its own.
      if (isList && before !== undefined && isItem !== wasItem) lines.push("");
      const bullet = isDetail ? "  - " : "- ";
      lines.push(isItem ? `${bullet}${mark === undefined ? "" : `**${mark}** `}${text}` : text);
    }
  }
  return lines;
}

/** CommonMark 2.4: any ASCII punctuation may be escaped; these have a meaning within a line. */
function escapeMarkdown(text: string): string {
  return text.replace(/[\\`*_[\]<>#|~&!]/g, "\\$&");
}
