/** Why a value is refused, in words for people: zod's own are about types. Loads no zod. */
import { MeshError } from "@hearthmesh/core";
import type { z } from "zod";
import type { WrongField } from "../server/problem-body.js";

type Issue = z.core.$ZodRawIssue;

/** Of one request; a large body can have many. */
const FIELDS_MAX = 10;
const KEYS_MAX = 5;
const KEY_CHARS_MAX = 40;

/**
 * For `safeParse(value, { error: issueWords })` (https://zod.dev/error-customization). What a form
 * says itself comes first; undefined leaves it to zod.
 */
export function issueWords(issue: Issue): string | undefined {
  switch (issue.code) {
    case "invalid_value":
      return `use ${listed(issue.values)}`;
    case "invalid_type":
      return issue.input === undefined ? "it is missing" : TYPE_WORDS[issue.expected];
    case "too_small":
      return sizeWords(issue, Number(issue.minimum), "least");
    case "too_big":
      return sizeWords(issue, Number(issue.maximum), "most");
    case "unrecognized_keys":
      return unknownWords(issue.keys);
    default:
      return undefined;
  }
}

/** `part`: of the request, such as "body". */
export function refusedFields(part: string, issues: readonly z.core.$ZodIssue[]): MeshError {
  const fields: WrongField[] = issues.slice(0, FIELDS_MAX).map(({ path, message }) => ({
    field: path.join(".") || part,
    message,
  }));
  const reasons = fields.map(({ field, message }) => `${field}: ${message}`).join("; ");
  const more = issues.length > FIELDS_MAX ? `; and ${issues.length - FIELDS_MAX} more` : "";
  return new MeshError("MESH_BAD_REQUEST", {
    message: `the ${part} is not valid: ${reasons}${more}`,
    details: { fields },
  });
}

const TYPE_WORDS: Readonly<Record<string, string>> = {
  array: "use a list",
  boolean: "use true or false",
  int: "use a whole number",
  number: "use a number",
  object: "use an object",
  string: "use text",
};

function sizeWords(issue: Issue, mark: number, side: "least" | "most"): string | undefined {
  const words = `at ${side} ${mark}`;
  switch (issue.origin) {
    case "array":
      return `name ${words}`;
    case "number":
    case "int":
      return `use ${mark} or ${side === "least" ? "more" : "less"}`;
    case "string":
      if (words !== "at least 1") return `use ${words} characters`;
      return typeof issue.path?.at(-1) === "number" ? "an entry of it is empty" : "it is empty";
    default:
      return undefined;
  }
}

/** They are the caller's, of any length and number. */
function unknownWords(keys: readonly string[]): string {
  const shown = keys.slice(0, KEYS_MAX).map((key) => JSON.stringify(key.slice(0, KEY_CHARS_MAX)));
  const more = keys.length > KEYS_MAX ? [`${keys.length - KEYS_MAX} more`] : [];
  return `${listed([...shown, ...more], "and")} ${keys.length === 1 ? "is" : "are"} not known here`;
}

function listed(values: readonly unknown[], word = "or"): string {
  return values
    .map(String)
    .join(", ")
    .replace(/, ([^,]*)$/, ` ${word} $1`);
}
