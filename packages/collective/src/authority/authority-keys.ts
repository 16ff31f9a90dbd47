/**
 * Everything that the authority keeps in the store, as JSON with `v: 1`.
 *
 * | key                                       | value                                             |
 * |-------------------------------------------|---------------------------------------------------|
 * | `authority/member`                        | whose store it is: member, domain, CA pin         |
 * | `authority/identity/<node id>`            | `IdentityRecord`; kept after a revocation         |
 * | `authority/name/machine/<name>`           | node id of the node or coordinator with that name |
 * | `authority/name/person/<global id>`       | node id of the person                             |
 * | `authority/invite/<invite id>`            | `InviteRecord`                                    |
 * | `authority/serial/<end>-<serial>`         | who got the certificate; goes when it has expired |
 * | `authority/proof/<end>-<hash>`            | recovery proofs that were used; go when too old   |
 * | `authority/revocations`                   | the newest signed `RevocationList`                |
 * | `authority/key/<key id>`                  | `ApiKeyRecord`; kept for a while when it is over  |
 * | `authority/key-use/<key id>`              | when the key was used last, to the minute         |
 * | `authority/introduction/<node id>`        | `IntroductionRecord` of a node of another mesh    |
 * | `authority/coordinator/<node id>`         | `CoordinatorContact`: where a coordinator is      |
 * | `authority/allow/<node id>`               | `AllowListRecord`: where this node may call from  |
 * | `authority/grant/<grant id>`              | `GrantRecord`: a right of somebody on a path      |
 * | `authority/peer/<trust domain>`           | `PeerRecord`: another member and its CAs          |
 * | `authority/peer-invite/<invite id>`       | `PeerInviteRecord`                                |
 * | `authority/peer-farewell/<trust domain>`  | a removed peer that has not been told yet         |
 * | `authority/quota/<trust domain>`          | `QuotaRecord`: how much that peer may keep here   |
 * | `authority/pool/<pool id>`               | `PoolRoster`: who runs models together, signed    |
 * | `authority/pool-code/<code id>`           | `PoolCodeRecord`: an open pairing code            |
 * | `authority/peer-trust`                    | sequence number of the newest change of a peer    |
 * | `authority/bundle`                        | the member's own newest `SignedTrustBundle`       |
 * | `authority/audit-head`                    | sequence number and hash of the last audit record |
 * | `audit/<sequence>`                        | `AuditRecord`, in the order of the changes        |
 *
 * `<end>` (milliseconds) and `<sequence>` have 16 decimal digits, so that the order of the keys is
 * the order of the numbers, and everything that ended before now is one range.
 */
import { createHash } from "node:crypto";
import type { InviteId, NodeId, TrustDomain } from "@hearthmesh/core";
import type { PrincipalKind } from "@hearthmesh/identity";
import type { KeyRange } from "@hearthmesh/store";

export const AUTHORITY_PREFIX = "authority/";
export const IDENTITY_PREFIX = "authority/identity/";
export const INVITE_PREFIX = "authority/invite/";
export const API_KEY_PREFIX = "authority/key/";
export const API_KEY_USE_PREFIX = "authority/key-use/";
export const INTRODUCTION_PREFIX = "authority/introduction/";
export const ALLOW_LIST_PREFIX = "authority/allow/";
export const COORDINATOR_PREFIX = "authority/coordinator/";
export const GRANT_PREFIX = "authority/grant/";
export const PEER_PREFIX = "authority/peer/";
export const PEER_INVITE_PREFIX = "authority/peer-invite/";
export const PEER_FAREWELL_PREFIX = "authority/peer-farewell/";
export const QUOTA_PREFIX = "authority/quota/";
export const POOL_PREFIX = "authority/pool/";
export const POOL_CODE_PREFIX = "authority/pool-code/";
export const PEER_TRUST_KEY = "authority/peer-trust";
export const BUNDLE_KEY = "authority/bundle";
export const MEMBER_KEY = "authority/member";
export const REVOCATIONS_KEY = "authority/revocations";
export const AUDIT_HEAD_KEY = "authority/audit-head";
const SERIAL_PREFIX = "authority/serial/";
const PROOF_PREFIX = "authority/proof/";
const AUDIT_PREFIX = "audit/";
const NUMBER_DIGITS = 16;

export const identityKey = (nodeId: NodeId): string => IDENTITY_PREFIX + nodeId;
export const coordinatorKey = (nodeId: NodeId): string => COORDINATOR_PREFIX + nodeId;
export const inviteKey = (id: InviteId): string => INVITE_PREFIX + id;
export const peerKey = (domain: TrustDomain): string => PEER_PREFIX + domain;
export const peerInviteKey = (id: InviteId): string => PEER_INVITE_PREFIX + id;
export const farewellKey = (domain: TrustDomain): string => PEER_FAREWELL_PREFIX + domain;
export const poolKey = (poolId: string): string => POOL_PREFIX + poolId;
export const poolCodeKey = (id: string): string => POOL_CODE_PREFIX + id;
export const auditKey = (sequence: number): string => AUDIT_PREFIX + digits(sequence);

/** Machines share one set of names: a node cannot be called like the coordinator. */
export function nameKey(kind: PrincipalKind, name: string): string {
  return `authority/name/${kind === "person" ? "person" : "machine"}/${name}`;
}

export function serialKey(notAfterMs: number, serial: string): string {
  return `${SERIAL_PREFIX}${digits(notAfterMs)}-${serial}`;
}

export function proofKey(usableUntilMs: number, message: Uint8Array): string {
  const hash = createHash("sha256").update(message).digest("hex");
  return `${PROOF_PREFIX}${digits(usableUntilMs)}-${hash}`;
}

/** Serials of certificates that ended before `nowMs`. */
export const endedSerials = (nowMs: number): KeyRange => endedRange(SERIAL_PREFIX, nowMs);
/** Proofs that are too old to be used again. */
export const endedProofs = (nowMs: number): KeyRange => endedRange(PROOF_PREFIX, nowMs);

/** Audit records after a sequence number. */
export function auditRange(after: number): KeyRange {
  return { start: auditKey(after + 1), end: `${AUDIT_PREFIX}~` };
}

function endedRange(prefix: string, nowMs: number): KeyRange {
  return { start: prefix, end: prefix + digits(nowMs) };
}

function digits(value: number): string {
  return Math.max(0, Math.floor(value)).toString().padStart(NUMBER_DIGITS, "0");
}
