/**
 * Rows of `change` as entries, each with a checksum over all of it, so that a flipped bit is seen.
 */
import { crc32 } from "node:zlib";
import { MeshError } from "@hearthmesh/core";
import type { KeyValue } from "../types.js";
import type { SqlRow, SqlValue } from "./driver.js";
import { CHANGES_PER_REVISION } from "./schema.js";

/** The columns that `decodeEntry` takes, in this order. */
export const ENTRY_COLUMNS = [
  "id",
  "key",
  "create_revision",
  "version",
  "lease_id",
  "checksum",
  "value",
] as const;

const NO_BYTES = new Uint8Array(0);

export function entryColumns(table: string): string {
  return ENTRY_COLUMNS.map((column) => `${table}.${column}`).join(", ");
}

/** The columns without the value, which a large value keeps on pages of its own. */
export function headColumns(table: string): string {
  return entryColumns(table).replace(`${table}.value`, "NULL");
}

export function revisionOf(changeId: number): number {
  return Math.floor(changeId / CHANGES_PER_REVISION);
}

/** The id of the first change that a revision may have. */
export function firstChangeOf(revision: number): number {
  return revision * CHANGES_PER_REVISION;
}

export function lastChangeOf(revision: number): number {
  return (revision + 1) * CHANGES_PER_REVISION - 1;
}

/** What a row of `change` says, besides its id and its value. */
export interface ChangeHead {
  readonly key: string;
  readonly createRevision: number;
  readonly version: number;
  readonly leaseId: number;
}

export function checksumOf(id: number, head: ChangeHead, value: Uint8Array): number {
  const { key, createRevision, version, leaseId } = head;
  const ofHead = crc32(`${id} ${createRevision} ${version} ${leaseId} ${key}`);
  // zlib starts anew for an empty array when its address happens to be null.
  return value.length === 0 ? ofHead : crc32(value, ofHead);
}

/**
 * A row by `ENTRY_COLUMNS` from `offset` on; a row without a value (by `headColumns`) has no bytes.
 */
export function decodeEntry(row: SqlRow, offset = 0): KeyValue {
  const id = integer(row[offset]);
  const key = text(row[offset + 1]);
  const createRevision = integer(row[offset + 2]);
  const version = integer(row[offset + 3]);
  const leaseId = integer(row[offset + 4]);
  const stored = row[offset + 6];
  const entry: KeyValue = {
    key,
    value: stored === null ? NO_BYTES : bytes(stored),
    createRevision,
    modRevision: revisionOf(id),
    version,
    leaseId,
  };
  if (stored !== null && checksumOf(id, entry, entry.value) !== row[offset + 5]) throw damaged(key);
  return entry;
}

export function integer(value: SqlValue | undefined): number {
  if (typeof value !== "number") throw damaged();
  return value;
}

export function text(value: SqlValue | undefined): string {
  if (typeof value !== "string") throw damaged();
  return value;
}

/** A plain array, because a `Buffer` behaves differently where it is sliced or printed. */
function bytes(value: SqlValue | undefined): Uint8Array {
  if (!(value instanceof Uint8Array)) throw damaged();
  return new Uint8Array(value.buffer, value.byteOffset, value.byteLength);
}

function damaged(key?: string): MeshError {
  const where = key === undefined ? "a row" : `the row of ${JSON.stringify(key.slice(0, 80))}`;
  return new MeshError("MESH_STORE_CORRUPT", { message: `${where} in the database is damaged` });
}
