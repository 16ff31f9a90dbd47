/** What each grant of somebody has to do with one question, in words for people. Pure. */
import { formatGrant, type Grant, hasEnded, isWithin, type Right } from "@hearthmesh/identity";
import { giverMay, type HeldGrant } from "./grant-merge.js";

/** One question: may it do this here, now. */
export interface Question {
  readonly path: string;
  readonly right: Right;
  readonly nowMs: number;
}

export type Verdict =
  | "decides"
  | "farther"
  | "overruled"
  | "ended"
  | "other right"
  | "giver lost it"
  | "earlier peer"
  | "below";

/** Undefined when the grant is about another path and has nothing to do with the question. */
export function verdictOf(
  held: HeldGrant,
  decides: HeldGrant | undefined,
  { path, right, nowMs }: Question,
): Verdict | undefined {
  const { grant } = held;
  if (held === decides) return "decides";
  if (!isWithin(grant.path, path)) return isWithin(path, grant.path) ? "below" : undefined;
  if (!grant.rights.includes(right)) return "other right";
  if (hasEnded(grant, nowMs)) return "ended";
  if (grant.effect === "allow" && !giverMay(held, path, right, nowMs)) return "giver lost it";
  const nearest = decides?.grant.path.length ?? 0;
  return grant.path.length < nearest ? "farther" : "overruled";
}

/** Why the grant decides, or does not. */
export function wordsOf(
  verdict: Verdict,
  grant: Grant,
  { right }: Question,
  deciding: Grant | undefined,
): string {
  switch (verdict) {
    case "decides":
      return grant.effect === "allow" ? "decides: it allows it" : "decides: it takes it away";
    case "farther":
      return `does not count: ${deciding?.path ?? "another"} is nearer`;
    case "overruled":
      return deciding?.effect === grant.effect
        ? "says the same as the one that decides"
        : "does not count: on the same path a denial wins";
    case "ended":
      return `has ended on ${new Date(grant.notAfterMs ?? 0).toISOString()}`;
    case "other right":
      return `says nothing about ${right}`;
    case "giver lost it":
      return "does not count: whoever passed it on does not have it any more";
    case "earlier peer":
      return "does not count: it was made for an earlier peer of this name";
    case "below":
      return `is about ${grant.path}, which is below`;
  }
}

/** Those that decide and those that nearly did come first. */
const ORDER: readonly Verdict[] = [
  "decides",
  "overruled",
  "giver lost it",
  "ended",
  "earlier peer",
  "farther",
  "other right",
  "below",
];

export function compareVerdicts(a: Verdict, b: Verdict): number {
  return ORDER.indexOf(a) - ORDER.indexOf(b);
}

export function quoted(path: string, right: Right): string {
  const plain = formatGrant({ path, rights: [right], effect: "allow" });
  return JSON.stringify(plain);
}
