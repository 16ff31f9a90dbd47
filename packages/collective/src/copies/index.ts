/**
 * Copies of files at friends' homes: sealed before they leave, named so that a friend learns
 * nothing, and repaired there without the key.
 */
export { ChunkIdHash, ContentHash } from "./content-hash.js";
export type { CopyHeader } from "./copy-header.js";
export { CopyKeys, newSalt, newStoreKey, STORE_KEY_BYTES } from "./copy-keys.js";
export {
  CopyReader,
  firstPieceBytes,
  type OpenedCopy,
  openCopy,
  type SealedCopy,
} from "./open-copy.js";
export { type SealInput, sealCopy, sealedSizeOf } from "./seal-copy.js";
