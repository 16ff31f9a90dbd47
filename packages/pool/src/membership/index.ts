/**
 * Who belongs to a pool, by itself: every node needs this, also one that never runs a model, and
 * it does not load engines and rings for it.
 */
export { JoinCallBook } from "./join-call-book.js";
export { type JoinCall, JoinCallCodec } from "./join-call-codec.js";
export { JoinRequests, type KeptRequest, wordsOfNode } from "./join-requests.js";
export { CAPACITY_MAX, JOIN_REQUEST_MS, STATEMENT_ENDPOINTS_MAX } from "./limits.js";
export {
  type MemberStatement,
  type StatementSigner,
  signMemberStatement,
} from "./member-statement.js";
export type { PoolDirectory, PoolMemberView, PoolRole, PoolView } from "./pool-directory.js";
export {
  type AgreementDigest,
  type AgreementNews,
  RingAgreement,
  readDigest,
} from "./ring-agreement.js";
export { ringOf } from "./ring-of.js";
export { sharesOf } from "./ring-shares.js";
export { ringTopologyName, ringTopologyOf } from "./ring-topology.js";
