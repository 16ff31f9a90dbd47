/**
 * Leases of users. The engine ends them; the store knows whose they are, so that any coordinator
 * can judge who may use one. To everybody else a lease is as one that is not there.
 */
import { type Clock, errorFields, isMeshError, type Logger, MeshError } from "@hearthmesh/core";
import type { Principal } from "@hearthmesh/identity";
import {
  jsonValue,
  type Operation,
  put,
  type Store,
  type TransactionResult,
} from "@hearthmesh/store";
import { LEASE_PREFIX, leaseKey } from "./keys.js";
import { type LeaseRecord, leaseInfo, parseLeaseRecord } from "./lease-record.js";
import { KV_TTL_MS_MAX, KV_TTL_MS_MIN } from "./limits.js";
import { pagesOfPrefix } from "./pages.js";
import type { LeaseInfo, LeasePurpose } from "./types.js";
import type { UsageMeter } from "./usage-meter.js";

export interface LeasesOptions {
  readonly store: Store;
  readonly clock: Clock;
  readonly log: Logger;
  readonly usage: UsageMeter;
}

export interface GrantRequest {
  readonly ttlMs: number;
  readonly purpose: LeasePurpose;
  readonly ttlMsMax?: number;
}

/** Writes together with the lease's record; answers whether that was done. */
export type WithLease = (leaseId: number, record: Operation) => Promise<TransactionResult>;

export interface GrantedLease {
  readonly leaseId: number;
  readonly result: TransactionResult;
}

export class Leases {
  readonly #options: LeasesOptions;

  constructor(options: LeasesOptions) {
    this.#options = options;
  }

  /** Grants a lease and writes with it; when the write is not done, the lease is ended again. */
  async grant(
    principal: Principal,
    request: GrantRequest,
    write: WithLease,
  ): Promise<GrantedLease> {
    const { store, clock, usage } = this.#options;
    checkTtl(request.ttlMs, request.ttlMsMax ?? KV_TTL_MS_MAX);
    const release = await usage.admitLease(principal.nodeId);
    try {
      const lease = await store.grantLease(request.ttlMs);
      const record: LeaseRecord = {
        v: 1,
        owner: principal.nodeId,
        spiffeId: principal.spiffeId,
        ttlMs: request.ttlMs,
        createdAtMs: clock.nowMs(),
        purpose: request.purpose,
      };
      try {
        const recordPut = put(leaseKey(lease.id), jsonValue(record), lease.id);
        const result = await write(lease.id, recordPut);
        if (!result.succeeded) await this.end(lease.id);
        return { leaseId: lease.id, result };
      } catch (error) {
        await this.end(lease.id);
        throw error;
      }
    } finally {
      release();
    }
  }

  /** The caller's own lease, or any for an operator. `MESH_STORE_LEASE_UNKNOWN`. */
  async find(principal: Principal, leaseId: number): Promise<LeaseInfo> {
    const entry = await this.#options.store.get(leaseKey(leaseId));
    const record = entry && parseLeaseRecord(entry.value);
    const mine = record?.owner === principal.nodeId || principal.kind === "coordinator";
    if (entry === undefined || record === undefined || !mine) throw unknown(leaseId);
    return leaseInfo(entry, record);
  }

  /** Only a lease that was asked for takes keys: the others end with the key or lock they have. */
  async requireUsable(principal: Principal, leaseId: number): Promise<void> {
    const { purpose } = await this.find(principal, leaseId);
    if (purpose === "lease") return;
    throw new MeshError("MESH_BAD_REQUEST", {
      message: `lease ${leaseId} belongs to a ${purpose}`,
      hint: "Take a lease of your own for several keys.",
    });
  }

  async list(principal: Principal): Promise<LeaseInfo[]> {
    const found: LeaseInfo[] = [];
    for await (const page of pagesOfPrefix(this.#options.store, LEASE_PREFIX)) {
      for (const entry of page.entries) {
        const record = parseLeaseRecord(entry.value);
        const mine = record?.owner === principal.nodeId || principal.kind === "coordinator";
        if (record !== undefined && mine) found.push(leaseInfo(entry, record));
      }
    }
    return found;
  }

  /** Starts its time anew. `MESH_STORE_LEASE_UNKNOWN` when it has ended. */
  async keepAlive(leaseId: number): Promise<void> {
    const lease = await this.#options.store.findLease(leaseId);
    if (lease === undefined) throw unknown(leaseId);
    await lease.keepAlive();
  }

  async revoke(leaseId: number): Promise<void> {
    const lease = await this.#options.store.findLease(leaseId);
    await lease?.revoke();
  }

  /** Ends a lease that nobody needs; when that fails it ends by its time. */
  async end(leaseId: number): Promise<void> {
    try {
      await this.revoke(leaseId);
    } catch (error) {
      const { log } = this.#options;
      log.debug("a lease that is not needed ends by its time", errorFields(error));
    }
  }

  /** After a key with a lease of its own was written without it, or deleted. */
  async endIfOfKey(leaseId: number): Promise<void> {
    if (leaseId === 0) return;
    try {
      const entry = await this.#options.store.get(leaseKey(leaseId));
      const record = entry && parseLeaseRecord(entry.value);
      if (record?.purpose === "key") await this.end(leaseId);
    } catch (error) {
      const { log } = this.#options;
      log.debug("a lease that is not needed ends by its time", errorFields(error));
    }
  }
}

export function isLeaseUnknown(error: unknown): boolean {
  return isMeshError(error, "MESH_STORE_LEASE_UNKNOWN");
}

function unknown(leaseId: number): MeshError {
  return new MeshError("MESH_STORE_LEASE_UNKNOWN", {
    message: `you have no open lease ${leaseId}`,
    details: { leaseId },
  });
}

function checkTtl(ttlMs: number, ttlMsMax: number): void {
  if (Number.isSafeInteger(ttlMs) && ttlMs >= KV_TTL_MS_MIN && ttlMs <= ttlMsMax) return;
  throw new MeshError("MESH_BAD_REQUEST", {
    message: `a time to live must be from ${KV_TTL_MS_MIN / 1000} s to ${ttlMsMax / 1000} s`,
  });
}
