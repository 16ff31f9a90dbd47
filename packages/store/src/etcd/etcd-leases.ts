/**
 * Leases. etcd keeps their time, in whole seconds and not below a shortest time of its own; a time
 * to live is rounded up to that, and `Lease.ttlMs` tells what it became. So a lease never ends
 * earlier than was asked for. It belongs to the cluster: it outlives the store that granted it, and
 * any store may find it and start its time anew.
 */
import { limits, MeshError, type Random } from "@hearthmesh/core";
import type { Lease } from "../types.js";
import {
  leaseEndedError,
  refuseTooManyLeases,
  validateLeaseId,
  validateLeaseTtl,
} from "../validate.js";
import type { EtcdClient } from "./etcd-client.js";
import type { LeaseTimeToLiveResponse } from "./messages.js";

/** Two random ids of 53 bits meet once in many lifetimes; more often is something else. */
const GRANT_ATTEMPTS_MAX = 4;

export interface EtcdLeasesOptions {
  readonly client: EtcdClient;
  readonly random: Random;
  /** Refuses when the store is closed, else runs the work as what closing waits for. */
  readonly run: <T>(work: () => Promise<T>) => Promise<T>;
}

export class EtcdLeases {
  readonly #options: EtcdLeasesOptions;
  /** Being revoked by this store: puts that are called later are refused at once. */
  readonly #ending = new Map<number, Promise<void>>();
  /** Not fewer than are open, as far as this store can tell; nothing when it has not asked yet. */
  #openLeases: number | undefined;

  constructor(options: EtcdLeasesOptions) {
    this.#options = options;
  }

  /** False for a lease that this store is ending; etcd knows about the others. */
  mayBeAlive(leaseId: number): boolean {
    return !this.#ending.has(leaseId);
  }

  async grant(ttlMs: number): Promise<Lease> {
    validateLeaseTtl(ttlMs);
    await this.#countOpen();
    const { id, ttlSeconds } = await this.#grantNewId(Math.ceil(ttlMs / 1000));
    this.#openLeases = (this.#openLeases ?? 0) + 1;
    return this.#handle(id, ttlSeconds * 1000);
  }

  async find(leaseId: number): Promise<Lease | undefined> {
    validateLeaseId(leaseId);
    if (!this.mayBeAlive(leaseId)) return undefined;
    const { ttlSeconds, grantedSeconds } = await this.timeToLive(leaseId, false);
    return ttlSeconds < 0 ? undefined : this.#handle(leaseId, grantedSeconds * 1000);
  }

  timeToLive(id: number, keys: boolean): Promise<LeaseTimeToLiveResponse> {
    const { client } = this.#options;
    return client.call(client.protocol.methods.leaseTimeToLive, { id, keys }, "repeatable");
  }

  #handle(id: number, ttlMs: number): Lease {
    const { run } = this.#options;
    return {
      id,
      ttlMs,
      keepAlive: () => run(() => this.#keepAlive(id)),
      revoke: () => run(() => this.#end(id)),
    };
  }

  async #keepAlive(id: number): Promise<void> {
    const { client } = this.#options;
    if (!this.mayBeAlive(id)) throw leaseEndedError(id);
    const { leaseKeepAlive } = client.protocol.methods;
    const { ttlSeconds } = await client.call(leaseKeepAlive, { id }, "repeatable");
    if (ttlSeconds <= 0 || !this.mayBeAlive(id)) throw leaseEndedError(id);
  }

  /** Ends it from this moment on; resolves when its keys are deleted. */
  #end(id: number): Promise<void> {
    const begun = this.#ending.get(id);
    if (begun !== undefined) return begun;
    const end = this.#revoke(id).finally(() => this.#ending.delete(id));
    this.#ending.set(id, end);
    return end;
  }

  /** May be repeated: an id is never given again. */
  async #revoke(id: number): Promise<void> {
    const { client } = this.#options;
    try {
      await client.call(client.protocol.methods.leaseRevoke, { id }, "repeatable");
      if (this.#openLeases !== undefined) this.#openLeases--;
    } catch (error) {
      if (!(error instanceof MeshError) || error.code !== "MESH_STORE_LEASE_UNKNOWN") throw error;
    }
  }

  async #grantNewId(ttlSeconds: number): Promise<{ id: number; ttlSeconds: number }> {
    const { client, random } = this.#options;
    for (let attempt = 1; ; attempt++) {
      const id = randomLeaseId(random);
      try {
        const request = { id, ttlSeconds };
        const granted = await client.call(
          client.protocol.methods.leaseGrant,
          request,
          "repeatable",
        );
        return { id, ttlSeconds: granted.ttlSeconds };
      } catch (error) {
        // Also when our own first try was carried out and its answer lost: that lease runs out.
        const taken =
          error instanceof MeshError && String(error.details?.etcd).includes("already exists");
        if (!taken || attempt === GRANT_ATTEMPTS_MAX) throw error;
      }
    }
  }

  /**
   * `MESH_LIMIT` when too many leases are open. etcd is asked only when this store has granted as
   * many as could make it too many, because leases of others end without a word.
   */
  async #countOpen(): Promise<void> {
    if (this.#openLeases === undefined || this.#openLeases >= limits.STORE_LEASES_MAX) {
      const { client } = this.#options;
      const { leases } = await client.call(client.protocol.methods.leaseLeases, {}, "repeatable");
      // Ids that etcd chose itself are larger; they belong to other programs.
      this.#openLeases = leases.filter(({ id }) => Number.isSafeInteger(id)).length;
    }
    refuseTooManyLeases(this.#openLeases);
  }
}

/** From 1 to 2^53 - 1. */
function randomLeaseId(random: Random): number {
  const bytes = Buffer.from(random.bytes(7));
  const id = (bytes.readUInt8(0) & 0x1f) * 2 ** 48 + bytes.readUIntBE(1, 6);
  return Math.max(1, id);
}
