/**
 * Letting somebody in: an invite and a certificate request become an identity and a certificate.
 *
 * The request is checked before the invite is touched, so a bad one costs nothing. Then one
 * transaction checks that the invite is still as it was read, notes the use, and writes identity,
 * name, serial and audit. The certificate is signed just before and handed out just after it: one
 * that was not recorded is never seen by anybody. Of many at once with a single-use invite, one
 * wins.
 */
import { limits, MeshError, type NodeId } from "@hearthmesh/core";
import {
  checkCertificateRequest,
  formatGrant,
  type Grant,
  hasEnded,
  type IdentityRecord,
  type InviteRecord,
  type IssuedCertificate,
  type NodeRole,
} from "@hearthmesh/identity";
import type { AuditNote } from "./audit.js";
import { inviteKey } from "./authority-keys.js";
import type { AuthorityContext } from "./context.js";
import { issueFor } from "./context.js";
import {
  type EnrolResult,
  identityWrites,
  refuseRevoked,
  toEnrolResult,
} from "./identity-write.js";
import { type Redemption, redeemable } from "./invite-redeem.js";
import { type Decision, put } from "./ledger.js";
import { checkIdentityRoom, checkName, claimName, readIdentity } from "./name-claim.js";

export interface EnrolRequest {
  inviteId: string;
  secret: string;
  csrPem: string;
  kind: "node" | "person";
  /** What the newcomer wants to be called; an invite that fixes a name wins. */
  name: string;
}

/** Errors: those of `checkCertificateRequest` and `redeemable`; `MESH_NAME_TAKEN`, `MESH_LIMIT`. */
export async function enrol(
  context: AuthorityContext,
  request: EnrolRequest,
): Promise<EnrolResult> {
  const { publicKeyDer, nodeId } = await checkCertificateRequest(request.csrPem);
  const result = await context.ledger.change(async (): Promise<Decision<EnrolResult>> => {
    const redemption = await redeemable(context, { ...request, nodeId });
    refuseRevoked(context, nodeId);
    const previous = await readIdentity(context, nodeId);
    const plan = planIdentity(context, redemption, previous.record, request, nodeId);
    if (previous.record === undefined) checkIdentityRoom(context, plan.kind);
    const claim = await claimName(context, plan.kind, plan.name, nodeId);
    const { kind, name } = plan;
    const certificate = await issueFor(context, { kind, name, publicKeyDer });
    const record = finish(plan, certificate, context.clock.nowMs());
    const writes = identityWrites(context, record, previous);
    return {
      result: toEnrolResult(context, record, certificate),
      change: {
        compare: [...redemption.compare, ...claim.compare, ...writes.compare],
        operations: [
          ...useOperations(context, redemption, record),
          ...claim.operations,
          ...writes.operations,
        ],
        audit: auditOf(record, redemption),
      },
    };
  });
  context.log.info("let somebody in", { principal: result.spiffeId, serial: result.serial });
  return result;
}

type PlannedIdentity = Omit<
  IdentityRecord,
  "serial" | "spiffeId" | "certificateNotAfterMs" | "enrolledAtMs"
> & { readonly name: string; readonly enrolledAtMs?: number };

function planIdentity(
  context: AuthorityContext,
  { invite, isRetry }: Redemption,
  previous: IdentityRecord | undefined,
  request: EnrolRequest,
  nodeId: NodeId,
): PlannedIdentity {
  if (previous !== undefined) {
    return isRetry ? previous : extendIdentity(context, previous, invite);
  }
  const { roles, grants, id } = invite;
  const kind = kindOf(invite);
  const name = checkName(context, kind, invite.nodeName ?? request.name);
  const planned = { v: 1 as const, kind, name, nodeId, roles, grants, inviteId: id, recoveries: 0 };
  return invite.sharedBy === undefined ? planned : { ...planned, invitedBy: invite.sharedBy };
}

/** A machine that is invited as a coordinator becomes one: its certificate says so. */
function kindOf({ kind, roles }: InviteRecord): IdentityRecord["kind"] {
  return roles.includes("coordinator") ? "coordinator" : kind;
}

/**
 * A key that is known redeems a further invite: it keeps its name and gets the new rights too.
 * `MESH_ALREADY_MEMBER` when the two do not go together.
 */
function extendIdentity(
  context: AuthorityContext,
  previous: IdentityRecord,
  invite: InviteRecord,
): PlannedIdentity {
  const otherName = invite.nodeName !== undefined && invite.nodeName !== previous.name;
  const otherInviter = invite.sharedBy !== undefined && invite.sharedBy !== previous.invitedBy;
  if (previous.kind !== kindOf(invite) || otherName || otherInviter) {
    throw new MeshError("MESH_ALREADY_MEMBER", {
      message: `this key belongs to ${previous.spiffeId} already`,
      hint: "Make a new key for this invite.",
    });
  }
  const nowMs = context.clock.nowMs();
  const { inviteId, roles } = { inviteId: invite.id, roles: invite.roles };
  if (invite.sharedBy === undefined && previous.invitedBy !== undefined) {
    // The operator vouches from now on; what the person passed on stays that person's.
    const { invitedBy, grants, ...kept } = previous;
    return { ...kept, inviteId, roles, grants: invite.grants, passedOn: { by: invitedBy, grants } };
  }
  const grants = mergeGrants(previous.grants, invite.grants, nowMs);
  return { ...previous, inviteId, roles, grants };
}

/** Both, without those that have ended and those that say the same. */
function mergeGrants(old: readonly Grant[], added: readonly Grant[], nowMs: number): Grant[] {
  const live = [...old, ...added].filter((grant) => !hasEnded(grant, nowMs));
  const merged = [...new Map(live.map((grant) => [formatGrant(grant), grant])).values()];
  if (merged.length <= limits.IDENTITY_GRANTS_MAX) return merged;
  throw new MeshError("MESH_LIMIT", {
    message: `an identity has at most ${limits.IDENTITY_GRANTS_MAX} grants`,
  });
}

function finish(
  plan: PlannedIdentity,
  certificate: IssuedCertificate,
  nowMs: number,
): IdentityRecord {
  return {
    enrolledAtMs: nowMs,
    ...plan,
    spiffeId: certificate.spiffeId,
    serial: certificate.serial,
    certificateNotAfterMs: certificate.notAfterMs,
  };
}

function useOperations(
  context: AuthorityContext,
  { invite, isRetry }: Redemption,
  record: IdentityRecord,
) {
  if (isRetry) return [];
  const use = { nodeId: record.nodeId, name: record.name, atMs: context.clock.nowMs() };
  return [put(inviteKey(invite.id), { ...invite, uses: [...invite.uses, use] } as InviteRecord)];
}

function auditOf(record: IdentityRecord, { invite, isRetry }: Redemption): AuditNote {
  return {
    by: `invite/${invite.id}`,
    action: "identity.enrol",
    subject: record.spiffeId,
    detail: {
      nodeId: record.nodeId,
      serial: record.serial,
      ...(isRetry ? { again: "yes" } : {}),
    },
  };
}

export interface CoordinatorRequest {
  csrPem: string;
  name: string;
  dnsNames?: readonly string[];
  ipAddresses?: readonly string[];
}

/**
 * The coordinator's own identity. Called by the composition root at each start, never from outside:
 * the same key gets a new certificate, another may not take the name.
 */
export async function enrolCoordinator(
  context: AuthorityContext,
  request: CoordinatorRequest,
): Promise<EnrolResult> {
  const { publicKeyDer, nodeId } = await checkCertificateRequest(request.csrPem);
  const kind = "coordinator" as const;
  const roles: readonly NodeRole[] = ["coordinator"];
  return context.ledger.change(async (): Promise<Decision<EnrolResult>> => {
    refuseRevoked(context, nodeId);
    const previous = await readIdentity(context, nodeId);
    if (previous.record === undefined) checkIdentityRoom(context, kind);
    const name = checkName(context, kind, request.name);
    const claim = await claimName(context, kind, name, nodeId);
    const { dnsNames = [], ipAddresses = [] } = request;
    const subject = { kind, name, publicKeyDer, dnsNames, ipAddresses };
    const certificate = await issueFor(context, subject);
    const planned = { v: 1 as const, kind, name, nodeId, roles, grants: [], recoveries: 0 };
    const record = finish({ ...previous.record, ...planned }, certificate, context.clock.nowMs());
    const writes = identityWrites(context, record, previous);
    return {
      result: toEnrolResult(context, record, certificate),
      change: {
        compare: [...claim.compare, ...writes.compare],
        operations: [...claim.operations, ...writes.operations],
        audit: { by: record.spiffeId, action: "coordinator.enrol", subject: record.spiffeId },
      },
    };
  });
}
