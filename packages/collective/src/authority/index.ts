/**
 * Trust at the coordinator: `Authority` lets in, renews, revokes and answers who may do what;
 * `EnrolmentLimiter` slows down whoever tries codes;
 * `IntroductionWatch` asks introduced nodes again. Keys of the store: `authority-keys.ts`.
 */

export type { AccessChange, AccessListener } from "./access-news.js";
export { NetworkList, parseNetworks } from "./allow-list-networks.js";
export { type AllowListRecord, AllowLists } from "./allow-lists.js";
export {
  type Actor,
  API_KEY_SCOPES,
  type ApiKeyAiLimits,
  type ApiKeyRecord,
  type ApiKeyRequest,
  type ApiKeyScope,
  ApiKeys,
} from "./api-keys.js";
export {
  type AuditAction,
  type AuditPage,
  type AuditRecord,
  type AuditVerdict,
  hashOfAudit,
} from "./audit.js";
export { Authority, type AuthorityOptions } from "./authority.js";
export type { CoordinatorContact } from "./coordinators.js";
export type { CoordinatorRequest, EnrolRequest } from "./enrolment.js";
export { EnrolmentLimiter, type EnrolmentLimits } from "./enrolment-limiter.js";
export type { GrantBook, KnownGrant } from "./grant-book.js";
export type { ExplainedGrant, GrantExplanation } from "./grant-explain.js";
export { type GrantRecord, type GrantRequest, parseGrantEnd } from "./grant-record.js";
export type { RevokedListener } from "./identity-cache.js";
export type { EnrolResult } from "./identity-write.js";
export { type IntroducedPrincipal, introducedPrincipal } from "./introduced-principal.js";
export {
  type IntroductionRecord,
  type IntroductionRequest,
  type IntroductionScope,
  Introductions,
} from "./introductions.js";
export {
  INTRODUCTION_NONCE,
  type NodeIdentityClaim,
  nodeFingerprint,
  type SignedNodeIdentity,
  signNodeIdentity,
  verifyNodeIdentity,
} from "./introductions-proof.js";
export { parseCapabilities, parseGivenName, parseNodeUrl } from "./introductions-request.js";
export {
  type IntroductionProber,
  type IntroductionState,
  IntroductionWatch,
  type IntroductionWatchOptions,
} from "./introductions-watch.js";
export type { InviteRequest } from "./invite-request.js";
export { type CreatedInvite, isOpen as isInviteOpen } from "./invites.js";
export {
  type CreatedPeerInvite,
  isPeerInviteOpen,
  type PeerInviteRecord,
  type PeerInviteRequest,
  type PeerRedemption,
} from "./peer-invites.js";
export { PeerBook, type PeerChanged } from "./peers.js";
export type { FarewellRecord, PeerRecord } from "./peers-records.js";
export type { AdmissionRequest, Admitted } from "./pool-admission.js";
export type { PoolCodeProof, PoolCreation, Pools } from "./pools.js";
export { type QuotaRecord, Quotas } from "./quotas.js";
export type { RecoverRequest, ServerNames } from "./renewal.js";
