/**
 * Grants of several origins as one list. Pure.
 *
 * The rule is that of `evaluateGrants` (nearest path, then deny over allow), with one addition: a
 * grant that a person passed on counts on a path only where that person has the right itself now,
 * and the right to share. So what was passed on never gives more than its giver has, whenever that
 * changes, and what the operator gave directly is not touched by it.
 */
import {
  evaluateGrants,
  type Grant,
  hasEnded,
  isGrantPath,
  isWithin,
  RIGHTS,
  type Right,
} from "@hearthmesh/identity";

/** A grant as somebody holds it. */
export interface HeldGrant {
  readonly grant: Grant;
  /** What the person who passed it on holds now; absent when the operator gave it. */
  readonly giverHas?: readonly Grant[];
}

export interface HeldDecision<Held extends HeldGrant> {
  readonly allowed: boolean;
  /** The one that decided. */
  readonly held?: Held;
  /** Of an allowed one: until when it is so, as far as ends are known. */
  readonly notAfterMs?: number;
}

/** The decision by the rule itself; `mergeHeld` gives a list with the same decisions. */
export function decideHeld<Held extends HeldGrant>(
  held: readonly Held[],
  path: string,
  right: Right,
  nowMs: number,
): HeldDecision<Held> {
  if (!isGrantPath(path)) return { allowed: false };
  let nearest: Held | undefined;
  for (const one of held) {
    if (counts(one, path, right, nowMs) && (nearest === undefined || decidesOver(one, nearest))) {
      nearest = one;
    }
  }
  if (nearest === undefined) return { allowed: false };
  if (nearest.grant.effect === "deny") return { allowed: false, held: nearest };
  const notAfterMs = endOf(nearest, path, right, nowMs);
  return { allowed: true, held: nearest, ...(notAfterMs === undefined ? {} : { notAfterMs }) };
}

/** Whether the giver of a grant, when a person gave it, may do it there and share it. */
export function giverMay(held: HeldGrant, path: string, right: Right, nowMs: number): boolean {
  const { giverHas } = held;
  if (giverHas === undefined) return true;
  const may = (one: Right) => evaluateGrants(giverHas, path, one, nowMs).allowed;
  return may(right) && may("share");
}

export interface MergedGrants {
  readonly grants: readonly Grant[];
  /** The list says the same up to and including this moment. */
  readonly validUntilMs: number;
}

/** One plain list for `evaluateGrants`, with the decisions of `decideHeld` at this moment. */
export function mergeHeld(held: readonly HeldGrant[], nowMs: number): MergedGrants {
  if (held.every((one) => one.giverHas === undefined)) {
    return { grants: held.map(({ grant }) => grant), validUntilMs: Number.POSITIVE_INFINITY };
  }
  const involved = held.flatMap(({ grant, giverHas = [] }) => [grant, ...giverHas]);
  // Decisions change at these paths alone; a parent comes before what is in it.
  const paths = [...new Set(involved.map((grant) => grant.path))].sort();
  const grants: Grant[] = [];
  for (const path of paths) grants.push(...grantsAt(held, path, grants, nowMs));
  const ends = involved.flatMap(({ notAfterMs }) => (notAfterMs === undefined ? [] : [notAfterMs]));
  const validUntilMs = Math.min(Number.POSITIVE_INFINITY, ...ends.filter((end) => end >= nowMs));
  return { grants, validUntilMs };
}

/** What holds at one path: allowed rights by their ends, and denied ones that came from above. */
function grantsAt(
  held: readonly HeldGrant[],
  path: string,
  above: readonly Grant[],
  nowMs: number,
): Grant[] {
  const byEnd = new Map<number | undefined, Right[]>();
  const denied: Right[] = [];
  for (const right of RIGHTS) {
    const { allowed, notAfterMs } = decideHeld(held, path, right, nowMs);
    if (allowed) byEnd.set(notAfterMs, [...(byEnd.get(notAfterMs) ?? []), right]);
    else if (evaluateGrants(above, path, right, nowMs).allowed) denied.push(right);
  }
  const allow = [...byEnd].map(([notAfterMs, rights]): Grant => {
    const grant = { path, rights, effect: "allow" as const };
    return notAfterMs === undefined ? grant : { ...grant, notAfterMs };
  });
  return denied.length === 0 ? allow : [...allow, { path, rights: denied, effect: "deny" }];
}

function counts(held: HeldGrant, path: string, right: Right, nowMs: number): boolean {
  const { grant } = held;
  return (
    grant.rights.includes(right) &&
    !hasEnded(grant, nowMs) &&
    isWithin(grant.path, path) &&
    // Who passes something on may always take away from it.
    (grant.effect === "deny" || giverMay(held, path, right, nowMs))
  );
}

/** Both paths are ancestors of one path, so the longer one is nearer. */
function decidesOver({ grant }: HeldGrant, { grant: other }: HeldGrant): boolean {
  if (grant.path.length !== other.path.length) return grant.path.length > other.path.length;
  if (grant.effect !== other.effect) return grant.effect === "deny";
  return lastsLonger(grant, other);
}

/** Of two that say the same the one that lasts longer decides, so that its end is the real one. */
function lastsLonger({ notAfterMs: end }: Grant, { notAfterMs: other }: Grant): boolean {
  return other !== undefined && (end === undefined || end > other);
}

function endOf(held: HeldGrant, path: string, right: Right, nowMs: number): number | undefined {
  const giverEnds = (["share", right] as const).map((one) =>
    held.giverHas === undefined
      ? undefined
      : evaluateGrants(held.giverHas, path, one, nowMs).grant?.notAfterMs,
  );
  const ends = [held.grant.notAfterMs, ...giverEnds].filter((end) => end !== undefined);
  return ends.length === 0 ? undefined : Math.min(...ends);
}
