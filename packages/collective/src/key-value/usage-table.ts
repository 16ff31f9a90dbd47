/**
 * How much users keep in the store, counted from what is there and from each change. Pure.
 *
 * Invariant: after `count` of every entry of one revision and `apply` of every event after it, the
 * numbers are those of the newest revision. `apply` answers false when an event does not tell what
 * was there before (its history is compacted): then everything must be counted anew.
 */
import type { KeyValue, StoreEvent } from "@hearthmesh/store";
import { DATA_PREFIX, LEASE_PREFIX } from "./keys.js";
import { parseLeaseRecord } from "./lease-record.js";

export class UsageTable {
  entries = 0;
  bytes = 0;
  leases = 0;
  readonly #leasesByOwner = new Map<string, number>();

  leasesOf(owner: string): number {
    return this.#leasesByOwner.get(owner) ?? 0;
  }

  count(entry: KeyValue): void {
    this.#add(entry, 1);
  }

  apply(event: StoreEvent): boolean {
    const { previous } = event;
    const wasThere = event.type === "delete" || event.entry.version > 1;
    if (wasThere && previous === undefined) return false;
    if (previous !== undefined) this.#add(previous, -1);
    if (event.type === "put") this.#add(event.entry, 1);
    return true;
  }

  #add(entry: KeyValue, sign: 1 | -1): void {
    if (entry.key.startsWith(DATA_PREFIX)) {
      this.entries += sign;
      this.bytes += sign * entryBytes(entry.key, entry.value);
    } else if (entry.key.startsWith(LEASE_PREFIX)) {
      this.#addLease(parseLeaseRecord(entry.value)?.owner ?? "", sign);
    }
  }

  #addLease(owner: string, sign: 1 | -1): void {
    this.leases += sign;
    const count = this.leasesOf(owner) + sign;
    if (count > 0) this.#leasesByOwner.set(owner, count);
    else this.#leasesByOwner.delete(owner);
  }
}

/** What counts for one key: its own bytes in the store, and its value's. */
export function entryBytes(storeKey: string, value: Uint8Array): number {
  return Buffer.byteLength(storeKey) - DATA_PREFIX.length + value.length;
}
