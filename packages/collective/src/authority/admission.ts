/**
 * `@hearthmesh/collective/admission`: what decides who is let in on nodes that have no authority
 * themselves. Nothing here reaches the records of the member.
 */
export { NetworkList, parseNetworks } from "./allow-list-networks.js";
export { EnrolmentLimiter } from "./enrolment-limiter.js";
export { introducedPrincipal } from "./introduced-principal.js";
export { verifyNodeIdentity } from "./introductions-proof.js";
