/** What the book of grants keeps, and how a request for a grant is checked. */
import { limits, MeshError, type NodeId, parseDurationMs } from "@hearthmesh/core";
import { checkGrant, type Grant, isWithin } from "@hearthmesh/identity";
import type { Versioned } from "./records.js";

export interface GrantRecord extends Versioned {
  /** 10 characters of base32; public. */
  readonly id: string;
  /** In its one spelling; see `grant-subject.ts`. */
  readonly subject: string;
  /** Key of the local person that the subject named when the grant was made. */
  readonly nodeId?: NodeId;
  readonly grant: Grant;
  /** SPIFFE id, or `key/<id>`. */
  readonly createdBy: string;
  /** Key of the person who gave it; absent when it was an operator. */
  readonly givenBy?: NodeId;
  readonly createdAtMs: number;
}

export interface GrantRequest {
  /** Also a key (node id) or a SPIFFE id, for a name that two could have. */
  readonly subject: string;
  readonly grant: Grant;
}

/** The grant in its one form. `MESH_BAD_REQUEST` when it is not one, or has ended already. */
export function checkBookGrant(value: unknown, nowMs: number): Grant {
  const grant = checkGrant(value);
  if (isWithin("/.copies", grant.path)) {
    throw new MeshError("MESH_BAD_REQUEST", {
      message: `no grant reaches ${grant.path}: what members keep at each other is theirs`,
      hint: "`mesh quota offer` gives a peer room for its copies.",
    });
  }
  if (grant.path.startsWith("/@")) {
    throw new MeshError("MESH_BAD_REQUEST", {
      message: `${grant.path} belongs to a peer, whose operator gives rights there`,
    });
  }
  if (grant.notAfterMs !== undefined && grant.notAfterMs <= nowMs) {
    throw new MeshError("MESH_BAD_REQUEST", {
      message: `the grant would have ended on ${new Date(grant.notAfterMs).toISOString()}`,
    });
  }
  return grant;
}

/** Ended grants are kept this long, so that it can be explained why something is over. */
const ENDED_KEPT_MS = 30 * 86_400_000;
/** Forgotten in one go at most, so that the transaction stays small. */
const FORGET_BATCH = 32;

/** Those that ended long ago: they go when another one comes. */
export function longEnded(kept: readonly GrantRecord[], nowMs: number): GrantRecord[] {
  const isOver = ({ grant }: GrantRecord) =>
    grant.notAfterMs !== undefined && nowMs - grant.notAfterMs > ENDED_KEPT_MS;
  return kept.filter(isOver).slice(0, FORGET_BATCH);
}

const DATE = /^\d{4}-\d\d-\d\d(?:T[0-9:.]+(?:Z|[+-]\d\d:\d\d))?$/;

/** `7d` from now, or a date. `MESH_BAD_REQUEST`. */
export function parseGrantEnd(text: string, nowMs: number): number {
  if (!DATE.test(text)) return nowMs + parseDurationMs(text);
  const atMs = Date.parse(text);
  if (!Number.isNaN(atMs)) return atMs;
  throw new MeshError("MESH_BAD_REQUEST", {
    message: `${JSON.stringify(text.slice(0, 40))} is not a date`,
    hint: "Write 7d, or 2027-01-31, or 2027-01-31T12:00:00Z.",
  });
}

/**
 * Whether the book has room for one more. What people pass on is counted apart, so that it never
 * keeps the operator from giving or denying something. `MESH_LIMIT`.
 */
export function checkBookRoom(kept: readonly GrantRecord[], added: GrantRecord): void {
  const isPassedOn = added.givenBy !== undefined;
  const alike = kept.filter(({ givenBy }) => (givenBy !== undefined) === isPassedOn);
  const ofSubject = (one: GrantRecord) =>
    one.subject === added.subject && one.nodeId === added.nodeId;
  const ofGiver = ({ givenBy }: GrantRecord) => isPassedOn && givenBy === added.givenBy;
  const bookMax = isPassedOn ? limits.GRANTS_PASSED_ON_MAX : limits.GRANTS_MAX;
  const rooms: readonly [number, number, string][] = [
    [alike.length, bookMax, "the book"],
    [alike.filter(ofSubject).length, limits.GRANTS_PER_SUBJECT_MAX, added.subject],
    [alike.filter(ofGiver).length, limits.GRANTS_GIVEN_MAX, "what one person gave"],
  ];
  const full = rooms.find(([count, max]) => count >= max);
  if (full === undefined) return;
  throw new MeshError("MESH_LIMIT", {
    message: `${full[2]} has ${full[1]} grants already`,
    hint: "Remove those that nobody needs: `mesh grant list`.",
  });
}
