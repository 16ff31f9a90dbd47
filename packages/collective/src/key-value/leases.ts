/**
 * Leases of users. The engine ends them; the store knows whose they are, so that any coordinator
 * can judge who may use one. To everybody else a lease is as one that is not there.
 */
import { type Clock, errorFields, isMeshError, type Logger, MeshError } from "@hearthmesh/core";
import type { Principal } from "@hearthmesh/identity";
import {
  jsonValue,
  type Lease,
  type Operation,
  put,
  type Store,
  type TransactionResult,
} from "@hearthmesh/store";
import { LEASE_PREFIX, leaseKey, restOfPrefix } from "./keys.js";
import { type LeaseRecord, leaseInfo, parseLeaseRecord } from "./lease-record.js";
import { KV_LEASES_MAX, KV_TTL_MS_MAX, KV_TTL_MS_MIN } from "./limits.js";
import type { LeaseInfo, LeasePurpose } from "./types.js";
import type { UsageMeter } from "./usage-meter.js";

/** Handles that are remembered: more than leases can be open. */
const HANDLES_MAX = 2 * KV_LEASES_MAX;

/** A handle for a lease that somebody else may have granted; ended ones are found out in use. */
export type OpenLease = (leaseId: number, ttlMs: number) => Lease;

export interface LeasesOptions {
  readonly store: Store;
  readonly clock: Clock;
  readonly log: Logger;
  readonly usage: UsageMeter;
  /** Without it, only leases that were granted by this very object can be kept alive. */
  readonly openLease?: OpenLease | undefined;
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
  /** Of the leases granted here, the one used last at the end; without `openLease` alone. */
  readonly #granted = new Map<number, Lease>();

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
      this.#remember(lease);
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
    const { store } = this.#options;
    const found: LeaseInfo[] = [];
    let page = await store.range({ prefix: LEASE_PREFIX });
    const { revision } = page;
    for (;;) {
      for (const entry of page.entries) {
        const record = parseLeaseRecord(entry.value);
        const mine = record?.owner === principal.nodeId || principal.kind === "coordinator";
        if (record !== undefined && mine) found.push(leaseInfo(entry, record));
      }
      const last = page.entries.at(-1);
      if (!page.more || last === undefined) return found;
      page = await store.range(restOfPrefix(LEASE_PREFIX, last.key), { revision });
    }
  }

  /** Starts its time anew. `MESH_STORE_LEASE_UNKNOWN` when it has ended. */
  async keepAlive({ leaseId, ttlMs }: Pick<LeaseInfo, "leaseId" | "ttlMs">): Promise<void> {
    const lease = this.#handle(leaseId, ttlMs);
    await lease.keepAlive();
    this.#remember(lease);
  }

  async revoke({ leaseId, ttlMs }: Pick<LeaseInfo, "leaseId" | "ttlMs">): Promise<void> {
    await this.#handle(leaseId, ttlMs).revoke();
    this.#granted.delete(leaseId);
  }

  /** Ends a lease that nobody needs; when that fails it ends by its time. */
  async end(leaseId: number): Promise<void> {
    try {
      await this.revoke({ leaseId, ttlMs: KV_TTL_MS_MIN });
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

  #remember(lease: Lease): void {
    if (this.#options.openLease !== undefined) return;
    this.#granted.delete(lease.id);
    this.#granted.set(lease.id, lease);
    const [oldest] = this.#granted.keys();
    if (this.#granted.size > HANDLES_MAX && oldest !== undefined) this.#granted.delete(oldest);
  }

  #handle(leaseId: number, ttlMs: number): Lease {
    const lease = this.#options.openLease?.(leaseId, ttlMs) ?? this.#granted.get(leaseId);
    if (lease === undefined) throw unknown(leaseId);
    return lease;
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

export function checkTtl(ttlMs: number, ttlMsMax: number): void {
  if (Number.isSafeInteger(ttlMs) && ttlMs >= KV_TTL_MS_MIN && ttlMs <= ttlMsMax) return;
  throw new MeshError("MESH_BAD_REQUEST", {
    message: `a time to live must be from ${KV_TTL_MS_MIN / 1000} s to ${ttlMsMax / 1000} s`,
  });
}
