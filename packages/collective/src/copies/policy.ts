/**
 * How many copies of the files below a path are kept, and where. Pure.
 *
 * A policy hangs on a path, not on a directory: it may be set before the directory exists, and
 * stays when the directory is removed and made again. When a directory is moved, the policies on
 * it and below it move along, in the same transaction. The nearest policy on the way up counts.
 *
 * `replicas` is how many copies there should be in all, `members` in how many homes at least.
 *
 * | strategy | at home                 | at friends                                             |
 * |----------|-------------------------|--------------------------------------------------------|
 * | `media`  | all, near the readers   | `members` - 1                                          |
 * | `backup` | one                     | one at each, `members` - 1 at least, up to all others  |
 * | `hybrid` | two                     | the rest, `members` - 1 at least                       |
 *
 * A home keeps every chunk as often as its layout says; a policy does not lower that.
 */
import { limits, MeshError } from "@hearthmesh/core";
import { type MeshPath, parsePath } from "../coordinator/paths.js";

export const COPY_STRATEGIES = ["media", "backup", "hybrid"] as const;
export type CopyStrategy = (typeof COPY_STRATEGIES)[number];

/** Copies that a strategy wants at home when it has the choice. */
const AT_HOME = { backup: 1, hybrid: 2 } as const;

export interface CopyPolicy {
  readonly v: 1;
  readonly path: string;
  readonly strategy: CopyStrategy;
  readonly replicas: number;
  readonly members: number;
  readonly setAtMs: number;
  /** SPIFFE id. */
  readonly setBy: string;
}

/** Copies of a file at friends: fewer than `needed` is a shortfall, more than `wanted` too many. */
export interface FriendTarget {
  readonly needed: number;
  readonly wanted: number;
}

const NO_FRIENDS: FriendTarget = { needed: 0, wanted: 0 };

export function friendTarget(policy: CopyPolicy | undefined): FriendTarget {
  if (policy === undefined) return NO_FRIENDS;
  const needed = policy.members - 1;
  if (policy.strategy === "media") return { needed, wanted: needed };
  return { needed, wanted: Math.max(needed, policy.replicas - AT_HOME[policy.strategy]) };
}

/** The policy on the path or the nearest one above it. */
export function nearestPolicy(
  policies: Iterable<CopyPolicy>,
  path: string,
): CopyPolicy | undefined {
  let nearest: CopyPolicy | undefined;
  for (const policy of policies) {
    const isNearer = policy.path.length > (nearest?.path.length ?? -1);
    if (isNearer && liesIn(policy.path, path)) nearest = policy;
  }
  return nearest;
}

/** Whether the path is the ancestor or below it. */
export function liesIn(ancestor: string, path: string): boolean {
  return ancestor === "/" || path === ancestor || path.startsWith(`${ancestor}/`);
}

/** Where the path is after `from` was moved to `to`. */
export function movedPath(path: string, from: string, to: string): string {
  return `${to}${path.slice(from.length)}`;
}

export interface PolicyRequest {
  readonly path: MeshPath;
  readonly strategy: CopyStrategy;
  readonly replicas: number;
  readonly members: number;
}

/** `MESH_BAD_REQUEST` or `MESH_PATH_INVALID` for what nobody can mean. */
export function readPolicyRequest(request: {
  path: unknown;
  strategy: string;
  replicas: number | undefined;
  members: number | undefined;
}): PolicyRequest {
  const path = parsePath(request.path);
  const strategy = COPY_STRATEGIES.find((one) => one === request.strategy);
  if (strategy === undefined) {
    throw bad(`${JSON.stringify(request.strategy.slice(0, 20))} is no strategy`);
  }
  if (path.names[0] === ".copies") throw bad("/.copies is what friends keep here");
  const members = request.members ?? (strategy === "media" ? 1 : 2);
  const replicas = request.replicas ?? 3;
  for (const [name, count] of Object.entries({ replicas, members })) {
    if (count < 1 || count > limits.REPLICAS_MAX) {
      throw bad(`${name} is between 1 and ${limits.REPLICAS_MAX}`);
    }
  }
  if (members > replicas) throw bad(`${replicas} copies cannot be in ${members} homes`);
  return { path, strategy, replicas, members };
}

function bad(message: string): MeshError {
  return new MeshError("MESH_BAD_REQUEST", {
    message,
    hint: "Such as `mesh policy set /photos --strategy backup --replicas 3 --members 2`.",
  });
}
