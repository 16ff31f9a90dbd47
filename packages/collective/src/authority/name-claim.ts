/** Names of identities: each belongs to one key, until that key is revoked. */
import { limits, MeshError, type NodeId, parseGlobalId, parseNodeName } from "@hearthmesh/core";
import type { IdentityRecord, PrincipalKind } from "@hearthmesh/identity";
import type { Compare, Operation } from "@hearthmesh/store";
import { identityKey, nameKey } from "./authority-keys.js";
import type { AuthorityContext } from "./context.js";
import { put, unchanged } from "./ledger.js";
import type { Versioned } from "./records.js";

interface NameRecord extends Versioned {
  readonly nodeId: NodeId;
}

/** Part of a transaction that gives a name to a key. */
export interface NameClaim {
  readonly compare: readonly Compare[];
  readonly operations: readonly Operation[];
}

/** The key that has the name, unless it is revoked. */
export async function holderOfName(context: AuthorityContext, key: string) {
  const read = await context.ledger.read<NameRecord>(key);
  const nodeId = read.record?.nodeId;
  const holder = nodeId === undefined || context.cache.isRevoked(nodeId) ? undefined : nodeId;
  return { read, holder };
}

/** `MESH_NAME_TAKEN` when another key has it. */
export async function claimName(
  context: AuthorityContext,
  kind: PrincipalKind,
  name: string,
  nodeId: NodeId,
): Promise<NameClaim> {
  const key = nameKey(kind, name);
  const { read, holder } = await holderOfName(context, key);
  if (holder !== undefined && holder !== nodeId) {
    throw new MeshError("MESH_NAME_TAKEN", {
      message: `the name ${name} belongs to another key`,
      details: { name },
    });
  }
  return {
    compare: [unchanged(key, read)],
    operations: [put(key, { v: 1, nodeId } as NameRecord)],
  };
}

/**
 * The name as it goes into the certificate. A person's is a global id; the member's domain is added
 * when it has none. `MESH_BAD_REQUEST` when it is not of the form.
 */
export function checkName(context: AuthorityContext, kind: PrincipalKind, name: string): string {
  const plain = name.trim().toLowerCase();
  if (kind !== "person") return machineName(plain);
  return parseGlobalId(plain.includes("@") ? plain : `${plain}@${context.trustDomain}`);
}

/**
 * Machines are meant by name or by id: one that is called like an id would be taken for
 * another.
 */
function machineName(text: string): string {
  const name = parseNodeName(text);
  if (!/^[a-z2-7]{52}$/.test(name)) return name;
  throw new MeshError("MESH_BAD_REQUEST", {
    message: "a machine cannot be called like a node id",
    hint: "Choose a shorter name, such as `attic`.",
  });
}

/** The identity that is meant: by key, or by name, where one that is not revoked comes first. */
export function findIdentity(
  context: AuthorityContext,
  idOrName: string,
): IdentityRecord | undefined {
  const known = context.cache.get(idOrName as NodeId);
  if (known !== undefined) return known;
  const named = context.cache.all().filter((record) => record.name === idOrName);
  return named.find((record) => !context.cache.isRevoked(record.nodeId)) ?? named[0];
}

/** `MESH_LIMIT` when no further identity, or no further node, may be written. */
export function checkIdentityRoom(context: AuthorityContext, kind: PrincipalKind): void {
  const { cache } = context;
  const machines = () =>
    cache.all().filter((record) => record.kind !== "person" && !cache.isRevoked(record.nodeId));
  if (cache.size >= limits.IDENTITIES_MAX) {
    throw new MeshError("MESH_LIMIT", {
      message: `a member has at most ${limits.IDENTITIES_MAX} identities`,
    });
  }
  if (kind !== "person" && machines().length >= limits.NODES_MAX) {
    throw new MeshError("MESH_LIMIT", {
      message: `a member has at most ${limits.NODES_MAX} nodes`,
    });
  }
}

/** The record as the store has it now, with the key under which it is compared. */
export function readIdentity(context: AuthorityContext, nodeId: NodeId) {
  return context.ledger.read<IdentityRecord>(identityKey(nodeId));
}
