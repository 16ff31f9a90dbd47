/** What the store knows of a user's lease: whose it is. It lives with the lease itself. */
import { isMeshError } from "@hearthmesh/core";
import { type KeyValue, parseJsonValue } from "@hearthmesh/store";
import { LEASE_PREFIX } from "./keys.js";
import type { LeaseInfo, LeasePurpose } from "./types.js";

export interface LeaseRecord {
  readonly v: 1;
  /** Node id: the key of who took it, which is never given to somebody else. */
  readonly owner: string;
  readonly spiffeId: string;
  readonly ttlMs: number;
  readonly createdAtMs: number;
  readonly purpose: LeasePurpose;
}

/** Undefined when it is not one. */
export function parseLeaseRecord(value: Uint8Array): LeaseRecord | undefined {
  try {
    const record = parseJsonValue(value) as Partial<LeaseRecord> | null;
    return record?.v === 1 && typeof record.owner === "string"
      ? (record as LeaseRecord)
      : undefined;
  } catch (error) {
    if (isMeshError(error, "MESH_STORE_CORRUPT")) return undefined;
    throw error;
  }
}

export function leaseInfo(entry: KeyValue, record: LeaseRecord): LeaseInfo {
  const { ttlMs, createdAtMs, spiffeId, purpose } = record;
  const leaseId = Number(entry.key.slice(LEASE_PREFIX.length));
  return { leaseId, ttlMs, createdAtMs, owner: spiffeId, purpose };
}
