/**
 * A member comes back: sealed snapshots of its records at friends, the choice among them, and what
 * is done when the records are older than the chunks.
 */
export { Backup, type BackupOptions, type FriendBackupStatus } from "./backup.js";
export { type FriendBackup, readBackup } from "./backup-records.js";
export { type Coverage, coverageOf } from "./coverage.js";
export type { FoundSnapshot, SnapshotPlaces } from "./friend-snapshots.js";
export { RESTORED_KEY, readHold } from "./hold-book.js";
export {
  type FriendFindings,
  lookAtFriends,
  planRestore,
  type RestorePlan,
} from "./restore-plan.js";
export type { HoldRecord } from "./rollback.js";
export type { OpenSnapshot, SnapshotHead } from "./snapshot-format.js";
export { importSnapshot } from "./snapshot-import.js";
export { openSnapshot } from "./snapshot-seal.js";
