/**
 * Invites: made, listed, revoked. Their secret is in the answer to whoever makes one and nowhere
 * else; the store has its hash.
 */
import { type InviteId, limits, MeshError, newInviteId } from "@hearthmesh/core";
import {
  caPinOf,
  encodeInvite,
  formatGrant,
  type Grant,
  hashInviteSecret,
  type InviteCode,
  type InviteRecord,
  inviteIdOf,
  newInviteSecret,
  type Principal,
} from "@hearthmesh/identity";
import type { Operation } from "@hearthmesh/store";
import { INVITE_PREFIX, inviteKey, nameKey } from "./authority-keys.js";
import type { AuthorityContext } from "./context.js";
import { checkInviteRequest, type InviteRequest } from "./invite-request.js";
import { put, unchanged } from "./ledger.js";
import { holderOfName } from "./name-claim.js";
import { readAll } from "./read-all.js";
import { decodeRecord } from "./records.js";
import { boundSharedGrants } from "./sharing.js";

/** Forgotten in one go at most, so that the transaction stays small. */
const FORGET_BATCH = 32;

export interface CreatedInvite {
  readonly record: InviteRecord;
  /** Has the secret: for whoever asked, and for nobody else. */
  readonly code: InviteCode;
  readonly text: string;
  readonly link: string;
}

/** `mayPassOn` says what the person that asks holds itself. */
export async function createInvite(
  context: AuthorityContext,
  by: Principal,
  request: InviteRequest,
  mayPassOn: () => readonly Grant[],
): Promise<CreatedInvite> {
  const { clock, random, ledger, memberId, log } = context;
  const checked = checkInviteRequest(request, context.severalCoordinators);
  const secret = newInviteSecret(random);
  const created = await ledger.change(async () => {
    const nowMs = clock.nowMs();
    const kept = await listInvites(context);
    checkRoom(kept, nowMs);
    await checkNameFree(context, checked.nodeName);
    const record: InviteRecord = {
      v: 1,
      id: newInviteId(random),
      memberId,
      ...checked,
      ...ownership(by, checked, nowMs, mayPassOn),
      secretHash: hashInviteSecret(secret),
      notAfterMs: nowMs + request.validityMs,
      createdAtMs: nowMs,
      uses: [],
    };
    const code: InviteCode = {
      memberId,
      caPin: caPinOf(context.ca.certificatePem),
      id: record.id,
      secret,
      endpoints: request.endpoints,
    };
    const key = inviteKey(record.id);
    return {
      result: { record, code, ...encodeInvite(code) },
      change: {
        compare: [{ key, target: "version" as const, is: "=" as const, value: 0 }],
        operations: [put(key, record), ...forgetClosed(kept, nowMs)],
        audit: { by: by.spiffeId, action: "invite.create" as const, ...auditOf(record) },
      },
    };
  });
  log.info("made an invite", { inviteId: created.record.id, principal: by.spiffeId });
  return created;
}

/** All invites that are kept, newest first. */
export async function listInvites(context: AuthorityContext): Promise<InviteRecord[]> {
  const { entries } = await readAll(context.store, INVITE_PREFIX);
  return entries
    .map((entry) => decodeRecord<InviteRecord>(entry))
    .sort((a, b) => b.createdAtMs - a.createdAtMs || (a.id < b.id ? -1 : 1));
}

/** Revokes by id or code. Once is enough: again changes nothing. `MESH_INVITE_UNKNOWN`. */
export async function revokeInvite(
  context: AuthorityContext,
  by: Principal,
  idOrCode: string,
): Promise<InviteRecord> {
  const { ledger, clock } = context;
  const id = inviteIdOf(idOrCode);
  const key = inviteKey(id);
  return ledger.change(async () => {
    const read = await ledger.read<InviteRecord>(key);
    const { record } = read;
    if (record === undefined || !maySee(record, by)) throw unknownInvite(id);
    if (record.revokedAtMs !== undefined) return { result: record };
    const revoked: InviteRecord = { ...record, revokedAtMs: clock.nowMs() };
    return {
      result: revoked,
      change: {
        compare: [unchanged(key, read)],
        operations: [put(key, revoked)],
        audit: { by: by.spiffeId, action: "invite.revoke", subject: `invite/${id}` },
      },
    };
  });
}

/** Operators see every invite, people those that they made. */
export function maySee(record: InviteRecord, by: Principal): boolean {
  return by.kind === "coordinator" || (by.kind === "person" && record.sharedBy === by.nodeId);
}

/** Whether it could still be redeemed. */
export function isOpen(record: InviteRecord, nowMs: number): boolean {
  const used = record.uses.length >= record.maxUses;
  return record.revokedAtMs === undefined && !used && nowMs <= record.notAfterMs;
}

function unknownInvite(id: InviteId): MeshError {
  return new MeshError("MESH_INVITE_UNKNOWN", {
    message: `Invalid invite code: this member has no invite ${id}`,
  });
}

/** Who makes it decides what it may say. `MESH_FORBIDDEN`. */
function ownership(
  by: Principal,
  checked: ReturnType<typeof checkInviteRequest>,
  nowMs: number,
  mayPassOn: () => readonly Grant[],
): Pick<InviteRecord, "createdBy" | "sharedBy" | "grants"> {
  if (by.kind === "coordinator") return { createdBy: by.spiffeId, grants: checked.grants };
  if (by.kind !== "person" || checked.kind !== "person") {
    throw new MeshError("MESH_FORBIDDEN", {
      message: `${by.name} may not invite a ${checked.kind}`,
      hint: "Only the operator invites nodes.",
    });
  }
  const grants = boundSharedGrants(mayPassOn(), checked.grants, nowMs);
  return { createdBy: by.spiffeId, sharedBy: by.nodeId, grants };
}

async function checkNameFree(context: AuthorityContext, name: string | undefined): Promise<void> {
  if (name === undefined) return;
  const { holder } = await holderOfName(context, nameKey("node", name));
  if (holder !== undefined) {
    throw new MeshError("MESH_NAME_TAKEN", {
      message: `the name ${name} belongs to another node`,
      hint: `Choose another name, or remove that node first: \`mesh node remove ${name}\`.`,
    });
  }
}

function checkRoom(kept: readonly InviteRecord[], nowMs: number): void {
  if (kept.filter((record) => isOpen(record, nowMs)).length >= limits.INVITES_OPEN_MAX) {
    throw new MeshError("MESH_LIMIT", {
      message: `there are ${limits.INVITES_OPEN_MAX} open invites`,
      hint: "Revoke those that nobody needs: `mesh invite list`.",
    });
  }
}

/** The oldest closed invites, when there are too many to keep. */
function forgetClosed(kept: readonly InviteRecord[], nowMs: number): Operation[] {
  const excess = Math.min(FORGET_BATCH, kept.length + 1 - limits.INVITES_KEPT_MAX);
  if (excess <= 0) return [];
  return kept
    .filter((record) => !isOpen(record, nowMs))
    .slice(-excess)
    .map((record) => ({ type: "delete", key: inviteKey(record.id) }));
}

function auditOf(record: InviteRecord) {
  const detail = {
    kind: record.kind,
    grants: record.grants.map(formatGrant),
    roles: record.roles,
    maxUses: record.maxUses,
    notAfterMs: record.notAfterMs,
  };
  return { subject: `invite/${record.id}`, detail };
}
