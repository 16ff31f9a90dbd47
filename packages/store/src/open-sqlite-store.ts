/** The embedded engine, loaded when it is opened: a node without a store does without SQLite. */
import type { SqliteStore, SqliteStoreOptions } from "./sqlite/sqlite-store.js";

/** See `sqlite/sqlite-store.ts`, also for the errors. */
export async function openSqliteStore(options: SqliteStoreOptions): Promise<SqliteStore> {
  const engine = await import("./sqlite/sqlite-store.js");
  return engine.openSqliteStore(options);
}
