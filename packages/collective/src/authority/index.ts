/**
 * Trust at the coordinator: `Authority` lets in, renews, revokes and answers who may do what;
 * `EnrolmentLimiter` slows down whoever tries codes. Keys of the store: `authority-keys.ts`.
 */
export { type AuditAction, type AuditPage, type AuditRecord, hashOfAudit } from "./audit.js";
export { Authority, type AuthorityOptions } from "./authority.js";
export type { CoordinatorRequest, EnrolRequest } from "./enrolment.js";
export { EnrolmentLimiter, type EnrolmentLimits } from "./enrolment-limiter.js";
export type { RevokedListener } from "./identity-cache.js";
export type { EnrolResult } from "./identity-write.js";
export type { InviteRequest } from "./invite-request.js";
export { type CreatedInvite, isOpen as isInviteOpen } from "./invites.js";
export type { RecoverRequest, ServerNames } from "./renewal.js";
