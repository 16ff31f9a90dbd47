/**
 * What grants allow. For one right on one path: of the grants that name the right, have not ended,
 * and whose path is the path or above it, those nearest to the path decide; among them deny wins;
 * with none, it is not allowed. So `/shared:rw` with `!/shared/private:rw` hides one directory, and
 * `/shared/private/mine:r` opens a part of it again.
 */
import { isGrantPath, isWithin } from "./grant-path.js";
import type { Grant, Right } from "./types.js";

export interface GrantDecision {
  readonly allowed: boolean;
  /** For people: which grant decided, or that none is there. */
  readonly reason: string;
  /** The grant that decided. */
  readonly grant?: Grant;
}

/** `path` must be in its one spelling (see `parseGrantPath`); any other is not allowed. */
export function evaluateGrants(
  grants: readonly Grant[],
  path: string,
  right: Right,
  nowMs: number,
): GrantDecision {
  if (!isGrantPath(path)) return { allowed: false, reason: "the path is not in its plain form" };
  const grant = decidingGrant(grants, path, right, nowMs);
  if (grant === undefined) return { allowed: false, reason: `no grant for ${right} on ${path}` };
  const allowed = grant.effect === "allow";
  return { allowed, reason: `${allowed ? "allowed" : "denied"} on ${grant.path}`, grant };
}

/**
 * Whether the directory leads to something granted, so that the names on the way there may be seen:
 * with `/shared/photos:read`, `/` and `/shared` may be listed, and show nothing else.
 */
export function mayTraverse(grants: readonly Grant[], path: string, nowMs: number): boolean {
  return namesLeadingTo(grants, path, nowMs).length > 0;
}

/** The names in a directory that lead to something granted, sorted. */
export function namesLeadingTo(grants: readonly Grant[], path: string, nowMs: number): string[] {
  if (!isGrantPath(path)) return [];
  const start = path === "/" ? 1 : path.length + 1;
  const names = new Set<string>();
  for (const grant of grants) {
    const below = grant.path !== path && isWithin(path, grant.path);
    if (!below || !isOpen(grants, grant, nowMs)) continue;
    const end = grant.path.indexOf("/", start);
    names.add(end < 0 ? grant.path.slice(start) : grant.path.slice(start, end));
  }
  return [...names].sort();
}

/**
 * Whether the name may be seen: it may be read, or a grant of any right is on the path itself or on
 * something below it. So who may only write to a place finds the place, and not what others put
 * there.
 */
export function isVisible(grants: readonly Grant[], path: string, nowMs: number): boolean {
  return (
    evaluateGrants(grants, path, "read", nowMs).allowed ||
    (isGrantPath(path) &&
      grants.some((grant) => isWithin(path, grant.path) && isOpen(grants, grant, nowMs)))
  );
}

/**
 * Whether the right is taken away somewhere below the path, so that who has it on the path does not
 * have it on everything in it.
 */
export function isDeniedBelow(
  grants: readonly Grant[],
  path: string,
  right: Right,
  nowMs: number,
): boolean {
  return grants.some(
    (grant) =>
      grant.path !== path &&
      isWithin(path, grant.path) &&
      grant.effect === "deny" &&
      grant.rights.includes(right) &&
      !evaluateGrants(grants, grant.path, right, nowMs).allowed,
  );
}

/** Whether a grant gives at least one right that nothing takes away again on its own path. */
function isOpen(grants: readonly Grant[], grant: Grant, nowMs: number): boolean {
  return (
    grant.effect === "allow" &&
    !hasEnded(grant, nowMs) &&
    grant.rights.some((right) => evaluateGrants(grants, grant.path, right, nowMs).allowed)
  );
}

function decidingGrant(
  grants: readonly Grant[],
  path: string,
  right: Right,
  nowMs: number,
): Grant | undefined {
  let nearest: Grant | undefined;
  for (const grant of grants) {
    const applies =
      grant.rights.includes(right) && !hasEnded(grant, nowMs) && isWithin(grant.path, path);
    if (applies && (nearest === undefined || decidesOver(grant, nearest))) nearest = grant;
  }
  return nearest;
}

/** Both paths are ancestors of one path, so the longer one is nearer. */
function decidesOver(grant: Grant, other: Grant): boolean {
  if (grant.path.length !== other.path.length) return grant.path.length > other.path.length;
  return grant.effect === "deny" && other.effect === "allow";
}

/** A grant holds up to and including `notAfterMs`. */
export function hasEnded(grant: Grant, nowMs: number): boolean {
  return grant.notAfterMs !== undefined && nowMs > grant.notAfterMs;
}
