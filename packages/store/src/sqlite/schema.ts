/**
 * The tables.
 *
 * `change` holds every version of every key that is still kept, once. Its id is `revision *
 * CHANGES_PER_REVISION + place in the transaction`, so the table is the log of changes in order,
 * and new rows land at its end. `live` points at the present version of each key. A deletion is a
 * row with version 0, which compaction removes.
 *
 * `lease_key` says which keys a lease holds. `meta` has a few integers.
 */
import { MeshError } from "@hearthmesh/core";
import type { SqlDatabase } from "./driver.js";

/** More than one transaction can change: a full branch and a full deletion. */
export const CHANGES_PER_REVISION = 16_384;

const SCHEMA_VERSION = 1;
/** "HMst" in ASCII, which tells this file from any other SQLite database. */
const APPLICATION_ID = 0x484d7374;

const TABLES = `
CREATE TABLE change (
  id INTEGER PRIMARY KEY,
  key TEXT NOT NULL,
  previous_id INTEGER NOT NULL,
  create_revision INTEGER NOT NULL,
  version INTEGER NOT NULL,
  lease_id INTEGER NOT NULL,
  checksum INTEGER NOT NULL,
  value BLOB NOT NULL
) STRICT;
CREATE INDEX change_by_key ON change (key);
CREATE TABLE live (key TEXT PRIMARY KEY, id INTEGER NOT NULL) STRICT, WITHOUT ROWID;
CREATE TABLE lease (id INTEGER PRIMARY KEY, ttl_ms INTEGER NOT NULL) STRICT;
CREATE TABLE lease_key (
  lease_id INTEGER NOT NULL, key TEXT NOT NULL, PRIMARY KEY (lease_id, key)
) STRICT, WITHOUT ROWID;
CREATE TABLE meta (name TEXT PRIMARY KEY, value INTEGER NOT NULL) STRICT, WITHOUT ROWID;
INSERT INTO meta VALUES ('compacted_revision', 0), ('cleaned_id', 0), ('last_lease_id', 0);
`;

/** Refuses a file that is not ours or is too new, before anything in it is changed. */
export function checkSchema(database: SqlDatabase): "empty" | "current" {
  const version = Number(database.pragma("user_version"));
  const applicationId = Number(database.pragma("application_id"));
  const tables = Number(database.prepare("SELECT count(*) FROM sqlite_schema").get()?.[0]);
  if (version === 0 && applicationId === 0 && tables === 0) return "empty";
  if (applicationId !== APPLICATION_ID || version === 0) {
    throw new MeshError("MESH_STORE_CORRUPT", {
      message: "the database file is not one of this program",
    });
  }
  if (version > SCHEMA_VERSION) {
    throw new MeshError("MESH_STORE_NEWER", {
      message: `the database has version ${version}; this program knows up to ${SCHEMA_VERSION}`,
      details: { version, knownVersion: SCHEMA_VERSION },
    });
  }
  return "current";
}

/** All or nothing: a crash in the middle leaves an empty file. */
export function createSchema(database: SqlDatabase): void {
  database.exec(
    `BEGIN IMMEDIATE;
     ${TABLES}
     PRAGMA application_id = ${APPLICATION_ID};
     PRAGMA user_version = ${SCHEMA_VERSION};
     COMMIT;`,
  );
}
