/**
 * Revocation: the identity, a new signed list with the next epoch, and the audit record are one
 * transaction. Whoever was let in by the revoked person falls with it.
 */
import { limits, MeshError } from "@hearthmesh/core";
import {
  type IdentityRecord,
  type Principal,
  type RevocationEntry,
  type RevocationList,
  signRevocationList,
} from "@hearthmesh/identity";
import { identityKey, REVOCATIONS_KEY } from "./authority-keys.js";
import type { AuthorityContext } from "./context.js";
import { type Decision, put, unchanged } from "./ledger.js";
import { findIdentity, readIdentity } from "./name-claim.js";

/**
 * Revokes a key by its id or its identity's name. Once is enough: again changes nothing.
 * `MESH_NOT_FOUND`; `MESH_FORBIDDEN` for a coordinator that would lock itself out.
 */
export async function revokeIdentity(
  context: AuthorityContext,
  by: Principal,
  idOrName: string,
  reason: string,
): Promise<IdentityRecord> {
  const { ledger, clock, log } = context;
  checkReason(reason);
  const revoked = await ledger.change(async (): Promise<Decision<IdentityRecord>> => {
    const found = findIdentity(context, idOrName);
    if (found === undefined) throw notFound(idOrName);
    checkStays(context, by, found);
    const read = await readIdentity(context, found.nodeId);
    if (read.record === undefined) throw notFound(idOrName);
    if (read.record.revokedAtMs !== undefined) return { result: read.record };
    const record: IdentityRecord = { ...read.record, revokedAtMs: clock.nowMs() };
    const present = await ledger.read<RevocationList>(REVOCATIONS_KEY);
    const list = nextList(context, present.record, record, reason);
    const key = identityKey(record.nodeId);
    return {
      result: record,
      change: {
        compare: [unchanged(key, read), unchanged(REVOCATIONS_KEY, present)],
        operations: [put(key, record), put(REVOCATIONS_KEY, list)],
        audit: {
          by: by.spiffeId,
          action: "identity.revoke",
          subject: record.spiffeId,
          detail: { nodeId: record.nodeId, reason, epoch: list.epoch },
        },
      },
    };
  });
  log.warn("revoked an identity", { principal: revoked.spiffeId, nodeId: revoked.nodeId });
  return revoked;
}

/** Somebody must be left who can let others in. */
function checkStays(context: AuthorityContext, by: Principal, found: IdentityRecord): void {
  const { cache } = context;
  const isOther = ({ nodeId, kind }: IdentityRecord) =>
    kind === "coordinator" && nodeId !== found.nodeId && !cache.isRevoked(nodeId);
  if (found.nodeId !== by.nodeId && (found.kind !== "coordinator" || cache.all().some(isOther))) {
    return;
  }
  throw new MeshError("MESH_FORBIDDEN", {
    message:
      found.kind === "coordinator"
        ? "the last coordinator cannot be revoked, nor one by itself: who would let others in?"
        : "nobody revokes itself",
    hint: "Stop the node instead, or do it on another coordinator.",
  });
}

function nextList(
  context: AuthorityContext,
  present: RevocationList | undefined,
  record: IdentityRecord,
  reason: string,
): RevocationList {
  const { cache, clock, trustDomain, ca } = context;
  const nowMs = clock.nowMs();
  const guests = cache.all().filter((other) => other.invitedBy === record.nodeId);
  const added = [
    entryOf(record, reason, nowMs),
    ...guests.map((guest) => entryOf(guest, `invited by ${record.spiffeId}`, nowMs)),
  ];
  const addedIds = new Set(added.map((entry) => entry.nodeId));
  // A key whose certificates have all ended is refused without the list.
  const kept = (present?.entries ?? []).filter((entry) => {
    const endsMs = cache.get(entry.nodeId)?.certificateNotAfterMs ?? Number.POSITIVE_INFINITY;
    return !addedIds.has(entry.nodeId) && endsMs + limits.CERTIFICATE_BACKDATE_MS > nowMs;
  });
  return signRevocationList(
    {
      trustDomain,
      epoch: (present?.epoch ?? 0) + 1,
      issuedAtMs: nowMs,
      entries: [...kept, ...added],
    },
    ca.privateKeyPem,
  );
}

function entryOf(record: IdentityRecord, reason: string, atMs: number): RevocationEntry {
  return { nodeId: record.nodeId, spiffeId: record.spiffeId, reason, atMs };
}

function checkReason(reason: string): void {
  if (Buffer.byteLength(reason) > limits.DESCRIPTION_BYTES_MAX || /\p{Cc}/u.test(reason)) {
    throw new MeshError("MESH_BAD_REQUEST", {
      message: `a reason is one line of up to ${limits.DESCRIPTION_BYTES_MAX} bytes`,
    });
  }
}

function notFound(idOrName: string): MeshError {
  return new MeshError("MESH_NOT_FOUND", {
    message: `there is no identity ${JSON.stringify(idOrName.slice(0, 80))}`,
    hint: "`mesh identity list` shows who is there.",
  });
}
