/**
 * Copies of files at friends' homes: sealed before they leave, named so that a friend learns
 * nothing, and repaired there without the key.
 */
export { ChunkIdHash, ContentHash } from "./content-hash.js";
export type { CopiesOptions, CopiesStatus } from "./copies.js";
export { CopiesAccess } from "./copies-access.js";
export type { CopyHeader } from "./copy-header.js";
export { CopyKeys, newSalt, newStoreKey, STORE_KEY_BYTES } from "./copy-keys.js";
export { copiesDirectory, copyPath } from "./copy-records.js";
export type { FriendFiles, FriendName, FriendOffer, FriendsPort, HomeFiles } from "./friends.js";
export type { CopyIntervals } from "./kept-scan.js";
export type { Friend } from "./offer-book.js";
export {
  CopyReader,
  firstPieceBytes,
  type OpenedCopy,
  openCopy,
  type SealedCopy,
} from "./open-copy.js";
export { COPY_STRATEGIES, type CopyPolicy, type CopyStrategy } from "./policy.js";
export { type SealInput, sealCopy, sealedSizeOf } from "./seal-copy.js";
