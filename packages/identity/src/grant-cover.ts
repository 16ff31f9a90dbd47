/**
 * Whether somebody may give grants on: everything that the child allows, the parent must allow,
 * on every path and at every time. What grants allow changes only at their own paths and ends, so
 * it is enough, and exact, to compare them there.
 */
import { evaluateGrants } from "./grant-evaluate.js";
import { RIGHTS } from "./grant-text.js";
import type { Grant, Right } from "./types.js";

/** The first thing that the child allows and the parent does not. */
export interface GrantExcess {
  readonly path: string;
  readonly right: Right;
  /** When it is so. */
  readonly atMs: number;
}

/** True when the child never allows what the parent does not, from `nowMs` on. */
export function grantsCover(
  parent: readonly Grant[],
  child: readonly Grant[],
  nowMs: number,
): boolean {
  return findGrantExcess(parent, child, nowMs) === undefined;
}

/**
 * With `sharing`, the parent must also have the right `share` wherever the child allows
 * something.
 */
export function findGrantExcess(
  parent: readonly Grant[],
  child: readonly Grant[],
  nowMs: number,
  sharing = false,
): GrantExcess | undefined {
  const all = [...parent, ...child];
  const paths = [...new Set(all.map((grant) => grant.path))];
  for (const atMs of momentsOf(all, nowMs)) {
    const allows = (grants: readonly Grant[], path: string, right: Right) =>
      evaluateGrants(grants, path, right, atMs).allowed;
    for (const path of paths) {
      const excess = RIGHTS.find(
        (right) =>
          allows(child, path, right) &&
          !(allows(parent, path, right) && (!sharing || allows(parent, path, "share"))),
      );
      if (excess !== undefined) return { path, right: excess, atMs };
    }
  }
  return undefined;
}

/** Now, and the first moment after each end that is still to come. */
function momentsOf(grants: readonly Grant[], nowMs: number): number[] {
  const ends = grants
    .map((grant) => grant.notAfterMs)
    .filter((end) => end !== undefined && end >= nowMs);
  return [...new Set([nowMs, ...ends.map((end) => (end ?? 0) + 1)])];
}
