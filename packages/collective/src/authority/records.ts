/** Records of the authority to bytes and back. */
import { canonicalJson, MeshError } from "@hearthmesh/core";
import type { KeyValue } from "@hearthmesh/store";

/** Every record says which version of its form it has. */
export interface Versioned {
  readonly v: 1;
}

export function encodeRecord(record: Versioned): Uint8Array {
  return Buffer.from(canonicalJson(record), "utf8");
}

/**
 * Throws `MESH_STORE_CORRUPT` when the value is not a record, `MESH_STORE_NEWER` for another
 * version. The fields were checked before the record was written.
 */
export function decodeRecord<T extends Versioned>(entry: KeyValue): T {
  const record = parse(entry);
  if (record.v === 1) return record as unknown as T;
  throw new MeshError("MESH_STORE_NEWER", {
    message: `the record ${entry.key} has a form that this version does not know`,
  });
}

function parse(entry: KeyValue): { v?: unknown } {
  try {
    const value: unknown = JSON.parse(Buffer.from(entry.value).toString("utf8"));
    if (value !== null && typeof value === "object") return value;
  } catch {
    // Falls through to the one error below.
  }
  throw new MeshError("MESH_STORE_CORRUPT", { message: `the record ${entry.key} is not readable` });
}
