/**
 * Keys, values, leases and locks for users, in the member's store, below a prefix of their own: no
 * call here ever reads or writes the member's own records. Every coordinator has one over the same
 * store and all of them answer at the same time; what one keeps in memory only refuses too much.
 *
 * `access.ts` has the rules of who may do what, `limits.ts` the limits, `keys.ts` what is stored.
 */
import type { Clock, Logger } from "@hearthmesh/core";
import type { Principal } from "@hearthmesh/identity";
import type { Store } from "@hearthmesh/store";
import type { KeyValuePolicy } from "./access.js";
import { accessOf, type KeyValueContext } from "./context.js";
import { Leases } from "./leases.js";
import { listKeys } from "./listing.js";
import { type LockListOptions, listLocks } from "./lock-listing.js";
import { acquireLock, inspectLock, releaseLock, renewLock } from "./locks.js";
import { transactKeys } from "./transactions.js";
import type * as types from "./types.js";
import { type UsageLimits, UsageMeter } from "./usage-meter.js";
import { deleteKey, deleteKeys, getKey, putKey } from "./values.js";
import { WatchPlaces } from "./watch-places.js";
import { waitForChange, watchKeys } from "./watches.js";

export interface KeyValueServiceOptions {
  readonly store: Store;
  /** The authority. */
  readonly policy: KeyValuePolicy;
  readonly clock: Clock;
  readonly log: Logger;
  /** For tests; the default is `limits.ts`. */
  readonly usageLimits?: Partial<UsageLimits>;
}

/** Every method throws as the authority's `check`, and `MESH_FORBIDDEN`. */
export class KeyValueService {
  readonly #context: KeyValueContext;

  constructor(options: KeyValueServiceOptions) {
    const { store, policy, clock, usageLimits } = options;
    const log = options.log.child({ part: "key-value" });
    const usage = new UsageMeter({
      store,
      clock,
      log,
      ...(usageLimits === undefined ? {} : { limits: usageLimits }),
    });
    const leases = new Leases({ store, clock, log, usage });
    this.#context = { store, policy, clock, log, usage, leases, places: new WatchPlaces() };
  }

  /**
   * Ends open watches quietly and waiting requests with `MESH_STOPPING`, and takes no more of them.
   * Call it before the doors stop, which wait for what is under way.
   */
  close(): void {
    this.#context.places.stop();
    this.#context.usage.close();
  }

  /** `MESH_KV_NOT_FOUND`, `MESH_STORE_COMPACTED`, `MESH_STORE_FUTURE_REVISION`. */
  get(principal: Principal, key: string, options?: { readonly revision?: number }) {
    return getKey(this.#context, principal, key, options);
  }

  /**
   * `MESH_KV_CHANGED`, `MESH_STORE_VALUE_TOO_LARGE`, `MESH_STORE_NO_SPACE`, `MESH_LIMIT`,
   * `MESH_STORE_LEASE_UNKNOWN`, `MESH_LOCK_LOST`.
   */
  put(principal: Principal, key: string, value: Uint8Array, options?: types.PutOptions) {
    return putKey(this.#context, principal, key, value, options);
  }

  /** `MESH_KV_NOT_FOUND`, `MESH_KV_CHANGED`. */
  delete(principal: Principal, key: string, options?: { readonly ifMatch?: number | "*" }) {
    return deleteKey(this.#context, principal, key, options);
  }

  /** The prefix is empty or ends with `/`. `MESH_STORE_TXN_TOO_LARGE`: nothing was deleted. */
  deletePrefix(principal: Principal, prefix: string): Promise<types.KeysDeleted> {
    return deleteKeys(this.#context, principal, prefix);
  }

  list(principal: Principal, prefix: string, options?: types.KeyListOptions) {
    return listKeys(this.#context, principal, prefix, options);
  }

  /** `MESH_STORE_TXN_TOO_LARGE`, and as `put`. */
  transact(principal: Principal, transaction: types.KeyTransaction) {
    return transactKeys(this.#context, principal, transaction);
  }

  /** The caller must `close` it. `MESH_LIMIT`. */
  watch(principal: Principal, target: types.WatchTarget, options?: types.WatchOptions) {
    return watchKeys(this.#context, principal, target, options);
  }

  /** The revision of the change, or nothing when there was none in the time. */
  waitForChange(principal: Principal, target: types.WatchTarget, options: types.WaitOptions) {
    return waitForChange(this.#context, principal, target, options);
  }

  /** Somebody without any grant on keys has no use for one: `MESH_FORBIDDEN`. `MESH_LIMIT`. */
  async grantLease(principal: Principal, ttlMs: number): Promise<types.LeaseInfo> {
    accessOf(this.#context, principal).requireSome("write");
    const { leases, store } = this.#context;
    const request = { ttlMs, purpose: "lease" as const };
    const { leaseId } = await leases.grant(principal, request, (_id, record) =>
      store.transact({ success: [record] }),
    );
    return leases.find(principal, leaseId);
  }

  /** Only the caller's own; any for an operator. `MESH_STORE_LEASE_UNKNOWN`. */
  async keepLeaseAlive(principal: Principal, leaseId: number): Promise<types.LeaseInfo> {
    this.#context.policy.check(principal);
    const lease = await this.#context.leases.find(principal, leaseId);
    await this.#context.leases.keepAlive(leaseId);
    return lease;
  }

  /** Deletes its keys in one transaction. As `keepLeaseAlive`. */
  async revokeLease(principal: Principal, leaseId: number): Promise<types.LeaseInfo> {
    this.#context.policy.check(principal);
    const lease = await this.#context.leases.find(principal, leaseId);
    await this.#context.leases.revoke(leaseId);
    return lease;
  }

  /** The caller's own; everybody's for an operator. */
  async listLeases(principal: Principal): Promise<types.LeaseInfo[]> {
    this.#context.policy.check(principal);
    return this.#context.leases.list(principal);
  }

  /** `MESH_LOCK_TAKEN`, `MESH_LOCK_LOST`, `MESH_LIMIT`. */
  acquireLock(principal: Principal, name: string, options: types.AcquireOptions) {
    return acquireLock(this.#context, principal, name, options);
  }

  /** `MESH_LOCK_LOST`. */
  renewLock(principal: Principal, name: string, token: number): Promise<types.LockHold> {
    return renewLock(this.#context, principal, name, token);
  }

  /** `MESH_LOCK_LOST`. */
  releaseLock(principal: Principal, name: string, token: number): Promise<void> {
    return releaseLock(this.#context, principal, name, token);
  }

  inspectLock(principal: Principal, name: string): Promise<types.LockInfo> {
    return inspectLock(this.#context, principal, name);
  }

  listLocks(principal: Principal, prefix: string, options?: LockListOptions) {
    return listLocks(this.#context, principal, prefix, options);
  }

  /** What all users hold, as far as this coordinator has seen; for status and metrics. */
  used() {
    return this.#context.usage.used();
  }
}
