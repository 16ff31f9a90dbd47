/**
 * `@hearthmesh/store`: the ordered transactional key-value store.
 *
 * @packageDocumentation
 */
export * from "./election/index.js";
export * from "./etcd/index.js";
export { MemoryHistory } from "./memory/history.js";
export { type MemoryStore, type MemoryStoreOptions, memoryStore } from "./memory/memory-store.js";
export * from "./migrate/index.js";
export { openSqliteStore } from "./open-sqlite-store.js";
export * from "./operations.js";
export type { SqliteStore, SqliteStoreOptions } from "./sqlite/sqlite-store.js";
export type * from "./types.js";
