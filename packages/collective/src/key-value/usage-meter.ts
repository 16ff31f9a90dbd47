/**
 * Keeps users within what they may hold together. It counts everything once, when it is first
 * asked, and then follows the store, where every coordinator's writes appear. What is admitted here
 * and not answered yet counts too. The store stays the truth: this only refuses.
 */
import {
  type Clock,
  errorFields,
  isMeshError,
  type Logger,
  MeshError,
  sleep,
} from "@hearthmesh/core";
import type { Store } from "@hearthmesh/store";
import { KV_PREFIX } from "./keys.js";
import { KV_BYTES_MAX, KV_ENTRIES_MAX, KV_LEASES_MAX, KV_LEASES_PER_OWNER_MAX } from "./limits.js";
import { pagesOfPrefix } from "./pages.js";
import { UsageTable } from "./usage-table.js";

/** Pause before the store is followed again after it did not answer. */
const RETRY_MS = 1_000;

/** What users may hold; the default is `limits.ts`. */
export interface UsageLimits {
  readonly entriesMax: number;
  readonly bytesMax: number;
  readonly leasesMax: number;
  readonly leasesPerOwnerMax: number;
}

const USAGE_LIMITS: UsageLimits = {
  entriesMax: KV_ENTRIES_MAX,
  bytesMax: KV_BYTES_MAX,
  leasesMax: KV_LEASES_MAX,
  leasesPerOwnerMax: KV_LEASES_PER_OWNER_MAX,
};

export interface UsageMeterOptions {
  readonly store: Store;
  readonly clock: Clock;
  readonly log: Logger;
  readonly limits?: Partial<UsageLimits>;
}

/** How much a write adds. */
export interface Growth {
  readonly entries: number;
  readonly bytes: number;
}

export class UsageMeter {
  readonly #options: UsageMeterOptions;
  readonly #limits: UsageLimits;
  readonly #stopping = new AbortController();
  readonly #pendingLeases = new Map<string, number>();
  #pending: Growth = { entries: 0, bytes: 0 };
  #pendingLeaseCount = 0;
  #table: Promise<UsageTable> | undefined;

  constructor(options: UsageMeterOptions) {
    this.#options = options;
    this.#limits = { ...USAGE_LIMITS, ...options.limits };
  }

  close(): void {
    this.#stopping.abort();
  }

  /** What is held now, as far as this coordinator has seen. */
  async used(): Promise<Growth & { leases: number }> {
    const { entries, bytes, leases } = await this.#counted();
    return { entries, bytes, leases };
  }

  /**
   * Call the answer when the write is done or has failed. `MESH_STORE_NO_SPACE` when all users
   * together would hold too much; `exact` is asked first when the upper bound does not fit.
   */
  async admit(upperBound: Growth, exact?: () => Promise<Growth>): Promise<() => void> {
    const table = await this.#counted();
    const fits = (growth: Growth) =>
      table.entries + this.#pending.entries + growth.entries <= this.#limits.entriesMax &&
      table.bytes + this.#pending.bytes + growth.bytes <= this.#limits.bytesMax;
    let growth = upperBound;
    if (!fits(growth) && exact !== undefined) growth = await exact();
    const grows = growth.entries > 0 || growth.bytes > 0;
    if (grows && !fits(growth)) throw this.#full(table);
    return this.#reserve(growth);
  }

  /** `MESH_LIMIT` when this owner, or all users together, have too many leases. */
  async admitLease(owner: string): Promise<() => void> {
    const table = await this.#counted();
    const { leasesMax, leasesPerOwnerMax } = this.#limits;
    const pending = this.#pendingLeases.get(owner) ?? 0;
    if (table.leasesOf(owner) + pending >= leasesPerOwnerMax) {
      throw new MeshError("MESH_LIMIT", {
        message: `you have ${leasesPerOwnerMax} open leases already`,
        hint: "Each lease, each key with a ttl and each lock has one. End those not needed.",
        details: { limit: leasesPerOwnerMax },
      });
    }
    if (table.leases + this.#pendingLeaseCount >= leasesMax) {
      throw new MeshError("MESH_LIMIT", {
        message: `all users together have ${leasesMax} open leases already`,
        details: { limit: leasesMax },
      });
    }
    this.#pendingLeases.set(owner, pending + 1);
    this.#pendingLeaseCount++;
    return once(() => {
      const left = (this.#pendingLeases.get(owner) ?? 1) - 1;
      if (left > 0) this.#pendingLeases.set(owner, left);
      else this.#pendingLeases.delete(owner);
      this.#pendingLeaseCount--;
    });
  }

  #reserve({ entries, bytes }: Growth): () => void {
    const add = (sign: 1 | -1) => {
      this.#pending = {
        entries: this.#pending.entries + sign * entries,
        bytes: this.#pending.bytes + sign * bytes,
      };
    };
    add(1);
    return once(() => add(-1));
  }

  #full(table: UsageTable): MeshError {
    const { entriesMax, bytesMax } = this.#limits;
    return new MeshError("MESH_STORE_NO_SPACE", {
      message: `the keys of all users are full: ${entriesMax} keys or ${bytesMax} bytes`,
      hint: "Delete keys that are not needed. Large values belong into files.",
      details: { entries: table.entries, bytes: table.bytes, entriesMax, bytesMax },
    });
  }

  #counted(): Promise<UsageTable> {
    if (this.#stopping.signal.aborted) throw new MeshError("MESH_STOPPING");
    this.#table ??= this.#count().catch((error: unknown) => {
      this.#table = undefined;
      throw error;
    });
    return this.#table;
  }

  async #count(): Promise<UsageTable> {
    const { store, log } = this.#options;
    const table = new UsageTable();
    let revision = 0;
    for await (const page of pagesOfPrefix(store, KV_PREFIX)) {
      for (const entry of page.entries) table.count(entry);
      // Every page tells the revision of the first.
      revision = page.revision;
    }
    this.#follow(table, revision + 1).catch((error: unknown) => {
      this.#table = undefined;
      if (!this.#stopping.signal.aborted && !isMeshError(error, "MESH_STORE_CLOSED")) {
        log.debug("the keys of users are counted anew", errorFields(error));
      }
    });
    return table;
  }

  /** Rejects when everything must be counted anew. */
  async #follow(table: UsageTable, fromRevision: number): Promise<never> {
    const { store, clock } = this.#options;
    const { signal } = this.#stopping;
    let next = fromRevision;
    for (;;) {
      signal.throwIfAborted();
      try {
        for await (const batch of store.watch(
          { prefix: KV_PREFIX },
          { fromRevision: next, signal },
        )) {
          if (!batch.events.every((event) => table.apply(event))) {
            throw new MeshError("MESH_STORE_COMPACTED", { message: "a change has no past" });
          }
          next = batch.revision + 1;
        }
      } catch (error) {
        if (!isMeshError(error, "MESH_STORE_UNAVAILABLE")) throw error;
        await sleep(clock, RETRY_MS, signal);
      }
    }
  }
}

function once(effect: () => void): () => void {
  let done = false;
  return () => {
    if (done) return;
    done = true;
    effect();
  };
}
