/**
 * Who belongs to a pool, signed by the pool's root key. A roster is whole, not a change: whoever
 * holds one with a higher version forgets the lower, so that a removal holds wherever it was heard,
 * whatever else is replayed. Only the CA's key can insert, move or remove somebody.
 */
import { canonicalJson, MeshError, type NodeId } from "@hearthmesh/core";
import { signerOf, verifySignature } from "./keys.js";
import { POOL_ID, POOL_NAME, parsePoolRoot, poolIdOf } from "./pool-root.js";

/** Members of one pool. */
export const POOL_MEMBERS_MAX = 64;
/** Removed members that a roster still names, so that they hear of it; the oldest goes first. */
export const POOL_REMOVED_MAX = 64;

export interface PoolRosterMember {
  readonly nodeId: NodeId;
  /** Of the node, as its certificate has it. */
  readonly name: string;
  readonly role: "admin" | "member";
  /** Rises with each admission to the pool: the order of the ring. */
  readonly sequence: number;
}

export interface PoolRoster {
  readonly v: 1;
  readonly poolId: string;
  readonly name: string;
  readonly networkId: string;
  /** 1 for the first; each change makes it higher by one. */
  readonly version: number;
  readonly createdAtMs: number;
  /** In the order of their sequence; the admin is the first. */
  readonly members: readonly PoolRosterMember[];
  readonly removed: readonly NodeId[];
  /** Base64 ECDSA P-256 (IEEE P1363) by the root key over the canonical JSON of the rest. */
  readonly signature: string;
}

export type PoolRosterContent = Omit<PoolRoster, "v" | "signature">;

/** Signed with the CA's key (PKCS#8, PEM). `MESH_LIMIT` over `POOL_MEMBERS_MAX`. */
export function signPoolRoster(content: PoolRosterContent, caPrivateKeyPem: string): PoolRoster {
  if (content.members.length > POOL_MEMBERS_MAX) {
    throw new MeshError("MESH_LIMIT", {
      message: `a pool has at most ${POOL_MEMBERS_MAX} members`,
      hint: "Remove one that is gone: `mesh pool remove NAME`.",
    });
  }
  const unsigned = { v: 1 as const, ...content };
  const signature = signerOf(caPrivateKeyPem)(signedBytes(unsigned));
  return { ...unsigned, signature: Buffer.from(signature).toString("base64") };
}

/**
 * The roster, when it is of its form and this root signed it. `MESH_POOL_ENTRY_INVALID`; never
 * another error, whatever the value is.
 */
export function verifyPoolRoster(value: unknown, root: string): PoolRoster {
  if (!isRoster(value)) throw invalid("the list of the pool's members is malformed");
  const { signature, ...unsigned } = value;
  const isOfRoot = poolIdOf(root, value.name) === value.poolId;
  const bytes = signedBytes(unsigned);
  const signatureBytes = Buffer.from(signature, "base64");
  if (isOfRoot && verifySignature(parsePoolRoot(root), bytes, signatureBytes)) return value;
  throw invalid("the list of the pool's members is not signed by the pool's root key");
}

function signedBytes(unsigned: Omit<PoolRoster, "signature">): Uint8Array {
  return Buffer.from(`hearthmesh-pool-roster-v1\n${canonicalJson(unsigned)}`, "utf8");
}

function isRoster(value: unknown): value is PoolRoster {
  const roster = (value ?? {}) as Partial<PoolRoster>;
  const { members, removed } = roster;
  return (
    roster.v === 1 &&
    isText(roster.poolId, POOL_ID) &&
    isText(roster.name, POOL_NAME) &&
    isText(roster.networkId, POOL_NAME) &&
    isCount(roster.version) &&
    isCount(roster.createdAtMs) &&
    isText(roster.signature, /^[A-Za-z0-9+/]{86}==$/) &&
    Array.isArray(members) &&
    members.length <= POOL_MEMBERS_MAX &&
    members.every(isMember) &&
    areInOrder(members) &&
    Array.isArray(removed) &&
    removed.length <= POOL_REMOVED_MAX &&
    removed.every((nodeId) => isText(nodeId, NODE_ID))
  );
}

const NODE_ID = /^[a-z2-7]{52}$/;
const NODE_NAME = /^[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?$/;

function isMember(value: unknown): value is PoolRosterMember {
  const member = (value ?? {}) as Partial<PoolRosterMember>;
  return (
    isText(member.nodeId, NODE_ID) &&
    isText(member.name, NODE_NAME) &&
    (member.role === "admin" || member.role === "member") &&
    isCount(member.sequence)
  );
}

/** One place for each key, sequences that rise, and one admin, who is the first. */
function areInOrder(members: readonly PoolRosterMember[]): boolean {
  const keys = new Set(members.map(({ nodeId }) => nodeId));
  const rise = members.every(({ sequence }, at) => sequence > (members[at - 1]?.sequence ?? 0));
  const admins = members.every(({ role }, at) => (role === "admin") === (at === 0));
  return keys.size === members.length && rise && admins;
}

function isText(value: unknown, pattern: RegExp): value is string {
  return typeof value === "string" && pattern.test(value);
}

/** From 1. */
function isCount(value: unknown): value is number {
  return Number.isSafeInteger(value) && (value as number) > 0;
}

function invalid(message: string): MeshError {
  return new MeshError("MESH_POOL_ENTRY_INVALID", { message });
}
