/** What people are told of a value that is refused: why, and as much of it as may be shown. */
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

/** Each once. */
export function reasons(issues: readonly { readonly message: string }[]): string {
  const all = [...new Set(issues.map(({ message }) => message))];
  const more = all.length > REASONS_MAX ? `, and ${all.length - REASONS_MAX} more` : "";
  return `${all.slice(0, REASONS_MAX).join(", ")}${more}`;
}
