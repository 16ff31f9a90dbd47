/** Named maxima of a migration, with their units. */

/** Entries read at a time. A page may also end at `STORE_RANGE_BYTES_MAX`. */
export const MIGRATION_PAGE_ENTRIES_MAX = 256;
/** Keys and values written in one transaction, below what etcd takes in one request by default. */
export const MIGRATION_BATCH_BYTES_MAX = 1 << 20;
/** Writes under way while the target's revision is raised. */
export const MIGRATION_WRITES_IN_FLIGHT_MAX = 256;
/** Revisions after which the target forgets those that only raised it. */
export const MIGRATION_COMPACTION_REVISIONS = 16_384;
