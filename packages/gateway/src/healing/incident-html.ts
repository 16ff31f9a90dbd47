/** An incident as a page of a browser, in the look of the first page. Pure. */
import type { IncidentView } from "../contracts/healing.js";
import { incidentStory, type StoryLine } from "./incident-story.js";

export interface IncidentHtmlOptions {
  /** Of the wall clock: how long an open incident has lasted. */
  readonly nowMs: number;
  /** Of the reader's time zone at that moment, east of UTC; default UTC itself. */
  offsetMinutes?(atMs: number): number;
}

/** Whole, without a script. Texts of other nodes stay text. */
export function incidentHtml(incident: IncidentView, options: IncidentHtmlOptions): string {
  const { nowMs, offsetMinutes = () => 0 } = options;
  const escapes = { escapeText: escapeHtml, escapeOwn: escapeHtml };
  const story = incidentStory(incident, { nowMs, offsetMinutes, ...escapes });
  const head = `${story.title}: ${story.outcome}`;
  const sections = story.sections.map(
    ({ title, lines }) => `<section>\n<h2>${title}</h2>\n${linesHtml(lines)}</section>\n`,
  );
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>${head}</title>
<link rel="stylesheet" href="/assets/page.css">
</head>
<body>
<main class="incident">
<h1>${head}</h1>
<p class="quiet">${story.facts}</p>
${sections.join("")}</main>
</body>
</html>
`;
}

/** Lines with a time or below one are a list, the others paragraphs. */
function linesHtml(lines: readonly StoryLine[]): string {
  let html = "";
  let isOpen = false;
  for (const { mark, text, isDetail = false } of lines) {
    const isItem = mark !== undefined || isDetail;
    if (isItem !== isOpen) html += isItem ? "<ul>\n" : "</ul>\n";
    isOpen = isItem;
    const time = mark === undefined ? "" : `<span class="mark">${mark}</span> `;
    if (!isItem) html += `<p>${text}</p>\n`;
    else html += `<li${isDetail ? ' class="detail"' : ""}>${time}<span>${text}</span></li>\n`;
  }
  return isOpen ? `${html}</ul>\n` : html;
}

const ESCAPES: Readonly<Record<string, string>> = {
  ...{ "&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;", "'": "&#39;" },
};

function escapeHtml(text: string): string {
  return text.replace(/[&<>"']/g, (character) => ESCAPES[character] ?? "");
}
