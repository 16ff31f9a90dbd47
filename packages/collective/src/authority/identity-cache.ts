/**
 * Identities and revocations in memory, so that every request can be checked without waiting.
 * Filled from the store, updated at once by the changes of this process, and by a watch for those
 * of others. A revision is never overtaken by an older one, so both sources may say the same
 * thing twice.
 */
import { type Clock, errorFields, type Logger, type NodeId } from "@hearthmesh/core";
import type { IdentityRecord, RevocationEntry, RevocationList } from "@hearthmesh/identity";
import type { KeyValue, Operation, Store } from "@hearthmesh/store";
import { IDENTITY_PREFIX, REVOCATIONS_KEY } from "./authority-keys.js";
import { followStore } from "./follow-store.js";
import { readAll } from "./read-all.js";
import { decodeRecord } from "./records.js";

export type RevokedListener = (entry: RevocationEntry) => void;

export interface IdentityCacheOptions {
  store: Store;
  clock: Clock;
  log: Logger;
  /** Signed and empty, for a member that never revoked anything. */
  emptyList: RevocationList;
}

export class IdentityCache {
  readonly #store: Store;
  readonly #clock: Clock;
  readonly #log: Logger;
  readonly #identities = new Map<NodeId, { record: IdentityRecord; revision: number }>();
  readonly #revoked = new Map<NodeId, RevocationEntry>();
  readonly #listeners = new Set<RevokedListener>();
  readonly #grantListeners = new Set<(nodeId: NodeId) => void>();
  readonly #stop = new AbortController();
  #list: RevocationList;
  #listRevision = 0;

  private constructor(options: IdentityCacheOptions) {
    this.#store = options.store;
    this.#clock = options.clock;
    this.#log = options.log;
    this.#list = options.emptyList;
  }

  /** Loads everything, then follows the store until `close`. */
  static async open(options: IdentityCacheOptions): Promise<IdentityCache> {
    const cache = new IdentityCache(options);
    const revision = await cache.#load();
    void cache.#follow(revision + 1);
    return cache;
  }

  close(): void {
    this.#stop.abort();
    this.#listeners.clear();
  }

  get(nodeId: NodeId): IdentityRecord | undefined {
    return this.#identities.get(nodeId)?.record;
  }

  get size(): number {
    return this.#identities.size;
  }

  all(): IdentityRecord[] {
    return [...this.#identities.values()].map(({ record }) => record);
  }

  get revocationList(): RevocationList {
    return this.#list;
  }

  /**
   * Whether the key is revoked, or was let in by a person whose key is. A list forgets a key when
   * its certificates have expired; the identity's record never does.
   */
  isRevoked(nodeId: NodeId): boolean {
    if (this.#revoked.has(nodeId)) return true;
    const record = this.get(nodeId);
    if (record === undefined) return false;
    if (record.revokedAtMs !== undefined) return true;
    return record.invitedBy !== undefined && this.isRevoked(record.invitedBy);
  }

  onRevoked(listener: RevokedListener): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /** Calls when the grants that an identity was let in with have changed. */
  onGrantsChanged(listener: (nodeId: NodeId) => void): () => void {
    this.#grantListeners.add(listener);
    return () => this.#grantListeners.delete(listener);
  }

  /** Takes over what a transaction of this process wrote. */
  applyOperations(operations: readonly Operation[], revision: number): void {
    for (const operation of operations) {
      if (operation.type === "put") {
        this.#apply({
          key: operation.key,
          value: operation.value,
          createRevision: revision,
          modRevision: revision,
          version: 1,
          leaseId: 0,
        });
      }
    }
  }

  #apply(entry: KeyValue): void {
    if (entry.key === REVOCATIONS_KEY) this.#applyList(entry);
    else if (entry.key.startsWith(IDENTITY_PREFIX)) {
      const nodeId = entry.key.slice(IDENTITY_PREFIX.length) as NodeId;
      const before = this.#identities.get(nodeId);
      if ((before?.revision ?? 0) >= entry.modRevision) return;
      const record = decodeRecord<IdentityRecord>(entry);
      this.#identities.set(nodeId, { record, revision: entry.modRevision });
      if (grantsText(before?.record) !== grantsText(record)) this.#tellGrants(nodeId);
    }
  }

  #tellGrants(nodeId: NodeId): void {
    for (const listener of this.#grantListeners) {
      try {
        listener(nodeId);
      } catch (error) {
        this.#log.error("a listener for grants failed", errorFields(error));
      }
    }
  }

  #applyList(entry: KeyValue): void {
    if (this.#listRevision >= entry.modRevision) return;
    this.#list = decodeRecord<RevocationList>(entry);
    this.#listRevision = entry.modRevision;
    const added = this.#list.entries.filter(({ nodeId }) => !this.#revoked.has(nodeId));
    for (const revocation of added) this.#revoked.set(revocation.nodeId, revocation);
    for (const revocation of added) {
      for (const listener of this.#listeners) this.#tell(listener, revocation);
    }
  }

  #tell(listener: RevokedListener, revocation: RevocationEntry): void {
    try {
      listener(revocation);
    } catch (error) {
      // One listener that fails must not keep the links of the others open.
      this.#log.error("a listener for revocations failed", errorFields(error));
    }
  }

  /** The store's revision at which everything was read. */
  async #load(): Promise<number> {
    const { entries, revision } = await readAll(this.#store, IDENTITY_PREFIX);
    for (const entry of entries) this.#apply(entry);
    const list = await this.#store.get(REVOCATIONS_KEY, { revision });
    if (list !== undefined) this.#apply(list);
    return revision;
  }

  #follow(fromRevision: number): Promise<void> {
    return followStore({
      store: this.#store,
      clock: this.#clock,
      log: this.#log,
      signal: this.#stop.signal,
      fromRevision,
      onEvent: (event) => {
        if (event.type === "put") this.#apply(event.entry);
      },
      reload: () => this.#load(),
    });
  }
}

/** Equal for records that say the same about what the identity may do. */
function grantsText(record: IdentityRecord | undefined): string {
  return JSON.stringify([record?.grants, record?.invitedBy, record?.passedOn]);
}
