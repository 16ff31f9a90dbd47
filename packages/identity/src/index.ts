/**
 * `@hearthmesh/identity`: who somebody is and what they may do. Pure functions: time, randomness
 * and state come from the caller.
 *
 * - Keys: `generateKeyPair`, `signerOf`, `verifySignature`, `nodeIdOfPublicKey`.
 * - Certificates: `createMemberCa`, `createCertificateRequest`, `issueCertificate`, and
 *   `verifyCertificate` (or `createVerifier`), the only way from a certificate to a `Principal`.
 * - `createStoreCa`, `issueStoreCertificate`: the authority that a member's etcd trusts.
 * - Invites: `encodeInvite`, `parseInvite`, and `checkPinnedChain` before a secret is sent.
 * - Grants: `parseGrant`, `evaluateGrants`, `mayTraverse`, `grantsCover`.
 * - Revocation lists, recovery proofs, fingerprints for people.
 * - Pools: `poolIdOf`, `signPoolRoster`, `verifyPoolRoster`, pairing codes.
 * - Between members: `signTrustBundle`, `verifyTrustBundle`, `encodePeering`, `parsePeering`.
 *
 * @packageDocumentation
 */
export { caPinOf, checkPinnedChain, type PinnedServer } from "./ca-pin.js";
export { type ParsedCertificate, parseCertificate } from "./certificate-parse.js";
export {
  type CheckedRequest,
  checkCertificateRequest,
  createCertificateRequest,
} from "./certificate-request.js";
export {
  type CertificateVerifier,
  createVerifier,
  type VerifyOptions,
  verifyCertificate,
} from "./certificate-verify.js";
export { checkDigits } from "./check-digits.js";
export { type Endpoint, formatEndpoint, parseEndpoint } from "./endpoint.js";
export { fingerprintWords } from "./fingerprint.js";
export {
  type ForeignPrincipal,
  ForeignVerifier,
  isForeign,
  type KnownMember,
  type KnownMembers,
  verifyOwnOrForeign,
} from "./foreign-principal.js";
export { findGrantExcess, type GrantExcess, grantsCover } from "./grant-cover.js";
export {
  evaluateGrants,
  type GrantDecision,
  hasEnded,
  isDeniedBelow,
  isVisible,
  mayTraverse,
  namesLeadingTo,
} from "./grant-evaluate.js";
export { isGrantPath, isWithin, parseGrantPath } from "./grant-path.js";
export { checkGrant, formatGrant, parseGrant, RIGHTS } from "./grant-text.js";
export {
  encodeInvite,
  encodePeering,
  inviteIdOf,
  parseInvite,
  parsePeering,
} from "./invite-code.js";
export { hashInviteSecret, inviteSecretMatches, newInviteSecret } from "./invite-secret.js";
export {
  generateKeyPair,
  keyPemOfScalar,
  nodeIdOfPublicKey,
  publicKeyDerOf,
  scalarOfKey,
  signerOf,
  verifySignature,
} from "./keys.js";
export {
  type CreateMemberCaOptions,
  createMemberCa,
  describeMemberCa,
  type IssueCertificateOptions,
  type IssuedCertificate,
  issueCertificate,
  type MemberCa,
} from "./member-ca.js";
export {
  formatPairingCode,
  newPairingCode,
  type PairingCode,
  pairingKeyOf,
  pairingProof,
  pairingProofMatches,
  parsePairingCode,
} from "./pairing-code.js";
export {
  type PeerTrustList,
  signPeerTrustList,
  type TrustedPeer,
  verifyPeerTrustList,
} from "./peer-trust.js";
export { decodePem, encodePem, type PemLabel } from "./pem.js";
export {
  caPinOfRoot,
  POOL_ID,
  POOL_NAME,
  parsePoolId,
  parsePoolName,
  parsePoolRoot,
  poolIdOf,
  poolRootOf,
} from "./pool-root.js";
export {
  POOL_MEMBERS_MAX,
  POOL_REMOVED_MAX,
  type PoolRoster,
  type PoolRosterContent,
  type PoolRosterMember,
  signPoolRoster,
  verifyPoolRoster,
} from "./pool-roster.js";
export { type RecoveryClaim, recoveryMessage } from "./recovery.js";
export {
  formatRecoveryKit,
  type KitFriend,
  kitAsOneText,
  parseRecoveryKit,
  RECOVERY_KIT_FRIENDS_MAX,
  type RecoveryKit,
} from "./recovery-kit.js";
export {
  findRevocation,
  isRevoked,
  type RevocationListContent,
  signRevocationList,
  verifyRevocationList,
} from "./revocation.js";
export { formatSpiffeId, parseSpiffeId, type SpiffeId } from "./spiffe.js";
export {
  type CreateStoreCaOptions,
  createStoreCa,
  type IssueStoreCertificateOptions,
  issueStoreCertificate,
  type StoreCa,
} from "./store-ca.js";
export {
  type BundleAnchor,
  type PeeringClaim,
  pairFingerprint,
  peeringMessage,
  signTrustBundle,
  type TrustBundleContent,
  verifyOwnTrustBundle,
  verifyTrustBundle,
} from "./trust-bundle.js";
export type * from "./types.js";
