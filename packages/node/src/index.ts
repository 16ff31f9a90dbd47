/**
 * `@hearthmesh/node`: what commands do with the home of a node on this machine. The daemon itself
 * is `@hearthmesh/node/resident`.
 *
 * @packageDocumentation
 */
export { type ConfigSources, describeConfig } from "./config/load.js";
export { configurationPage, exampleFile } from "./config/reference.js";
export { snapshotName, writeSnapshot } from "./etcd/snapshot-file.js";
export { type MigratedHome, type MigrateOptions, migrateHome } from "./etcd/store-migrate.js";
export {
  type RestoreOptions,
  type RestoreResult,
  rejoinStore,
  restoreStore,
} from "./etcd/store-restore.js";
export { type JoinedPool, type JoinPoolOptions, joinPool } from "./pool/join-pool.js";
export { createPoolHere, pairPoolHere } from "./pool/pools-here.js";
export { prepareHome } from "./pool/preparation.js";
export { type KitFriendNames, type MadeKit, makeRecoveryKit } from "./recovery/make-kit.js";
export {
  type RestoreMemberOptions,
  type RestoreReport,
  restoreMember,
} from "./recovery/restore-member.js";
