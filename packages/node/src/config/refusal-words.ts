/** What people are told of a value that is refused: why, and as much of it as may be shown. */
import type { z } from "zod";
import { shownUri } from "../overlay/peer-uri.js";

const SHOWN_CHARS_MAX = 80;
const REASONS_MAX = 3;

/**
 * As JSON, so that no control character of it gets to a terminal, and without what addresses hold
 * for nobody else: the user of a proxy, a password after the `?`.
 */
export function shownInput(value: unknown): string {
  const text = JSON.stringify(Array.isArray(value) ? value.join(",") : value) ?? "nothing";
  const shown = text.includes("://") ? withoutSecrets(text) : text;
  return shown.length <= SHOWN_CHARS_MAX ? shown : `${shown.slice(0, SHOWN_CHARS_MAX)}..."`;
}

function withoutSecrets(json: string): string {
  return `"${json.slice(1, -1).split(",").map(shownUri).join(",")}"`;
}

/** Each once, in words of ours; zod's own are about types. */
export function reasons(issues: readonly z.core.$ZodIssue[]): string {
  const all = [...new Set(issues.map(wordsOf))];
  const more = all.length > REASONS_MAX ? `, and ${all.length - REASONS_MAX} more` : "";
  return `${all.slice(0, REASONS_MAX).join(", ")}${more}`;
}

function wordsOf(issue: z.core.$ZodIssue): string {
  switch (issue.code) {
    case "invalid_value":
      return `use ${issue.values
        .map(String)
        .join(", ")
        .replace(/, ([^,]*)$/, " or $1")}`;
    case "too_small":
    case "too_big":
      return wordsOfSize(issue);
    case "invalid_type":
      if (issue.expected === "array") return "use a list";
      return issue.expected === "string" ? "use text" : issue.message;
    default:
      return issue.message;
  }
}

/** Of a number, the form itself says what is right. */
function wordsOfSize(issue: z.core.$ZodIssueTooSmall | z.core.$ZodIssueTooBig): string {
  const mark = issue.code === "too_small" ? issue.minimum : issue.maximum;
  const words = `at ${issue.code === "too_small" ? "least" : "most"} ${mark}`;
  if (issue.origin === "array") return `name ${words}`;
  if (issue.origin !== "string") return issue.message;
  if (words !== "at least 1") return `use ${words} characters`;
  return issue.path.length > 0 ? "an entry of it is empty" : "it is empty";
}
