/** Moving from one engine to another. */
export type { Rebind } from "./copy.js";
export { MIGRATION_KEY, pagesOfStore } from "./entries.js";
export {
  isMigrationUnfinished,
  type MigrateStoreOptions,
  type MigrationProgress,
  type MigrationResult,
  migrateStore,
} from "./migrate-store.js";
