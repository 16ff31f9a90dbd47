/** Whether an invite may be redeemed by a key. Everything but the writing. */
import { MeshError, type NodeId } from "@hearthmesh/core";
import { type InviteRecord, inviteSecretMatches } from "@hearthmesh/identity";
import type { Compare } from "@hearthmesh/store";
import { INVITE_PREFIX, identityKey } from "./authority-keys.js";
import type { AuthorityContext } from "./context.js";
import { unchanged, type Versionable } from "./ledger.js";
import { readIdentity } from "./name-claim.js";

const INVITE_ID = /^[a-z2-7]{10}$/;
/** Hash of no secret: compared for an unknown id, so that it takes as long as a wrong secret. */
const NO_SECRET_HASH = "0".repeat(64);

export interface Redemption {
  readonly read: Versionable<InviteRecord>;
  readonly invite: InviteRecord;
  /** The key has used this invite before: it gets its identity again. */
  readonly isRetry: boolean;
  readonly compare: readonly Compare[];
}

export interface RedemptionAttempt {
  inviteId: string;
  secret: string;
  kind: "node" | "person";
  nodeId: NodeId;
}

/**
 * `MESH_INVITE_UNKNOWN` for an unknown id and for a wrong secret alike; whoever has the secret
 * learns more: `MESH_INVITE_REVOKED`, `MESH_INVITE_WRONG_KIND`, `MESH_INVITE_USED`,
 * `MESH_INVITE_EXPIRED`.
 */
export async function redeemable(
  context: AuthorityContext,
  attempt: RedemptionAttempt,
): Promise<Redemption> {
  const id = attempt.inviteId.toLowerCase();
  const key = INVITE_PREFIX + (INVITE_ID.test(id) ? id : "unknown");
  const read = await context.ledger.read<InviteRecord>(key);
  const invite = read.record;
  const matches = inviteSecretMatches(attempt.secret, invite?.secretHash ?? NO_SECRET_HASH);
  if (invite === undefined || !matches) throw new MeshError("MESH_INVITE_UNKNOWN");
  const sharer = await checkSharer(context, invite);
  if (invite.revokedAtMs !== undefined) throw new MeshError("MESH_INVITE_REVOKED");
  if (invite.kind !== attempt.kind) {
    throw new MeshError("MESH_INVITE_WRONG_KIND", {
      message: `the invite is for a ${invite.kind}`,
    });
  }
  const isRetry = invite.uses.some((use) => use.nodeId === attempt.nodeId);
  if (!isRetry && invite.uses.length >= invite.maxUses) throw new MeshError("MESH_INVITE_USED");
  if (context.clock.nowMs() > invite.notAfterMs) {
    const ended = new Date(invite.notAfterMs).toISOString();
    throw new MeshError("MESH_INVITE_EXPIRED", {
      message: `Invalid invite code: it has expired on ${ended}`,
    });
  }
  return { read, invite, isRetry, compare: [unchanged(key, read), ...sharer] };
}

/** The invite of a person falls with that person. */
async function checkSharer(context: AuthorityContext, invite: InviteRecord): Promise<Compare[]> {
  if (invite.sharedBy === undefined) return [];
  const read = await readIdentity(context, invite.sharedBy);
  if (read.record?.revokedAtMs !== undefined || context.cache.isRevoked(invite.sharedBy)) {
    throw new MeshError("MESH_INVITE_REVOKED", {
      message: "the invite was revoked with the person who made it",
    });
  }
  return [unchanged(identityKey(invite.sharedBy), read)];
}
