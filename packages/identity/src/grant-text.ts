/**
 * Grants as people write them: `/shared:read+write`, `/media:r`, `/backup:rw`, `/:all`,
 * `!/shared/private:write` to deny, and ` until 2027-01-01T00:00:00.000Z` after it for an end.
 */
import { MeshError } from "@hearthmesh/core";
import { parseGrantPath } from "./grant-path.js";
import type { Grant, Right } from "./types.js";

export const RIGHTS = ["read", "write", "delete", "share"] as const satisfies readonly Right[];

const LETTERS: Readonly<Record<string, Right>> = {
  r: "read",
  w: "write",
  d: "delete",
  s: "share",
};
const END = /^(.*\S)\s+until\s+(\d{4}-\d\d-\d\d(?:T[0-9:.]+Z)?)$/s;

/** Throws `MESH_BAD_REQUEST` or `MESH_PATH_INVALID` with what is wrong. */
export function parseGrant(text: string): Grant {
  const trimmed = text.trim();
  const [, limited = trimmed, endText] = END.exec(trimmed) ?? [];
  const effect = limited.startsWith("!") ? "deny" : "allow";
  const body = effect === "deny" ? limited.slice(1) : limited;
  const colon = body.lastIndexOf(":");
  if (colon < 1) throw bad(text, "it names no rights");
  const path = parseGrantPath(body.slice(0, colon));
  const rights = parseRights(text, body.slice(colon + 1));
  if (endText === undefined) return { path, rights, effect };
  const notAfterMs = Date.parse(endText);
  if (Number.isNaN(notAfterMs)) throw bad(text, "its end is not a date");
  return { path, rights, effect, notAfterMs };
}

/** The text that `parseGrant` reads back. */
export function formatGrant(grant: Grant): string {
  const rights = RIGHTS.filter((right) => grant.rights.includes(right));
  const named = rights.length === RIGHTS.length ? "all" : rights.join("+");
  const end =
    grant.notAfterMs === undefined ? "" : ` until ${new Date(grant.notAfterMs).toISOString()}`;
  return `${grant.effect === "deny" ? "!" : ""}${grant.path}:${named}${end}`;
}

/**
 * A grant from outside (JSON of a request) in its one form. Throws like `parseGrant`.
 */
export function checkGrant(value: unknown): Grant {
  const grant = (value ?? {}) as Partial<Grant>;
  const { path, rights, effect, notAfterMs } = grant;
  const ends = notAfterMs === undefined || Number.isSafeInteger(notAfterMs);
  if (typeof path !== "string" || !Array.isArray(rights) || !ends) {
    throw bad(JSON.stringify(value) ?? "", "it is not a grant");
  }
  if (effect !== "allow" && effect !== "deny") throw bad(path, "its effect is unknown");
  const known = RIGHTS.filter((right) => rights.includes(right));
  if (known.length === 0 || rights.some((right) => !RIGHTS.includes(right))) {
    throw bad(path, "its rights are unknown");
  }
  const checked = { path: parseGrantPath(path), rights: known, effect };
  return notAfterMs === undefined ? checked : { ...checked, notAfterMs };
}

function parseRights(text: string, rightsText: string): Right[] {
  const found = new Set<Right>();
  for (const word of rightsText.toLowerCase().split("+")) {
    for (const right of rightsOfWord(text, word.trim())) found.add(right);
  }
  return RIGHTS.filter((right) => found.has(right));
}

function rightsOfWord(text: string, word: string): readonly Right[] {
  if (word === "all") return RIGHTS;
  const whole = RIGHTS.find((right) => right === word);
  if (whole !== undefined) return [whole];
  const letters = [...word].map((letter) => LETTERS[letter]);
  const rights = letters.filter((right) => right !== undefined);
  if (rights.length === 0 || rights.length < letters.length) {
    throw bad(text, `${JSON.stringify(word.slice(0, 20))} is not a right`);
  }
  return rights;
}

function bad(text: string, reason: string): MeshError {
  return new MeshError("MESH_BAD_REQUEST", {
    message: `${JSON.stringify(text.slice(0, 80))} is not a grant: ${reason}`,
    hint: "Write a path and rights: /shared:read+write. Rights: read, write, delete, share, all.",
  });
}
