/**
 * Everything the memory engine would have on disk: each key's versions, the log of changes and the
 * leases. A store that was closed can be opened again on the same history, as after a restart.
 */
import { compareKeys, contains, type KeyBounds } from "../keys.js";
import type { KeyValue, StoreEvent, WatchBatch } from "../types.js";

/** A key's value from a revision on; without entry it is deleted. */
interface Version {
  readonly revision: number;
  readonly entry: KeyValue | undefined;
}

export class MemoryHistory {
  /** The revision of an empty store is 1, as in etcd. */
  revision = 1;
  compactedRevision = 0;
  /** Counts up and is never given again, so that an old holder cannot act on a new lease. */
  lastLeaseId = 0;
  /** Time to live in milliseconds by lease. */
  readonly leases = new Map<number, number>();
  readonly #versions = new Map<string, Version[]>();
  /** The keys of `#versions` in order. */
  readonly #keys: string[] = [];
  /** One batch for each revision above `compactedRevision`. */
  #log: WatchBatch[] = [];

  entryAt(key: string, revision = this.revision): KeyValue | undefined {
    return this.#versions.get(key)?.findLast((version) => version.revision <= revision)?.entry;
  }

  entriesAt(bounds: KeyBounds, revision = this.revision): KeyValue[] {
    const found: KeyValue[] = [];
    for (let at = this.#place(bounds.start); at < this.#keys.length; at++) {
      const key = this.#keys[at];
      if (key === undefined || !contains(bounds, key)) break;
      const entry = this.entryAt(key, revision);
      if (entry !== undefined) found.push(entry);
    }
    return found;
  }

  /** The log from a revision on; it starts at the first one that is kept. */
  batchesFrom(revision: number): readonly WatchBatch[] {
    return this.#log.slice(Math.max(0, revision - this.#firstRevision()));
  }

  /** Makes the next revision out of these events, which belong to one transaction. */
  append(events: readonly StoreEvent[]): void {
    this.revision++;
    for (const event of events) {
      const key = event.type === "put" ? event.entry.key : event.key;
      const entry = event.type === "put" ? event.entry : undefined;
      this.#versionsOf(key).push({ revision: this.revision, entry });
    }
    this.#log.push({ revision: this.revision, events });
  }

  /** Forgets what nobody can read any more: older versions, and keys deleted by then. */
  compact(revision: number): void {
    const dropped = revision - this.compactedRevision;
    const touched = new Set<string>();
    for (const batch of this.#log.slice(0, Math.max(0, revision - this.#firstRevision() + 1))) {
      for (const event of batch.events) {
        touched.add(event.type === "put" ? event.entry.key : event.key);
      }
    }
    if (dropped > 0) this.#log = [...this.batchesFrom(revision + 1)];
    this.compactedRevision = revision;
    for (const key of touched) this.#compactKey(key, revision);
  }

  #firstRevision(): number {
    return this.revision - this.#log.length + 1;
  }

  #compactKey(key: string, revision: number): void {
    const versions = this.#versions.get(key) ?? [];
    const lastOld = versions.findLastIndex((version) => version.revision <= revision);
    const isDeletion = lastOld >= 0 && versions[lastOld]?.entry === undefined;
    versions.splice(0, isDeletion ? lastOld + 1 : lastOld);
    if (versions.length > 0) return;
    this.#versions.delete(key);
    this.#keys.splice(this.#place(key), 1);
  }

  #versionsOf(key: string): Version[] {
    const known = this.#versions.get(key);
    if (known !== undefined) return known;
    const versions: Version[] = [];
    this.#versions.set(key, versions);
    this.#keys.splice(this.#place(key), 0, key);
    return versions;
  }

  /** Index of the first key that is not before `key`. */
  #place(key: string): number {
    let low = 0;
    let high = this.#keys.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (compareKeys(this.#keys[middle] ?? "", key) < 0) low = middle + 1;
      else high = middle;
    }
    return low;
  }
}
