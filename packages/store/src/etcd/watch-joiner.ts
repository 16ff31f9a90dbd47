/**
 * Joins the answers of a watch to batches, one for each revision. Pure. etcd puts several revisions
 * in one answer, and splits a large answer in fragments, also within a revision; only the last
 * fragment lacks the mark `fragment`. A revision never goes on in the answer after that.
 *
 * Invariant: batches come out in order of their revisions, each once, none before `from`.
 */
import type { KeyValue, StoreEvent, WatchBatch } from "../types.js";
import { compactedError } from "../validate.js";
import { type KeySpace, safe } from "./key-space.js";
import { EVENT_DELETE, type WatchResponse, type WireEvent } from "./messages.js";

export class WatchJoiner {
  readonly #keys: KeySpace;
  #next: number;
  #pending: { revision: number; events: StoreEvent[] } | undefined;

  constructor(keys: KeySpace, from: number) {
    this.#keys = keys;
    this.#next = from;
  }

  /**
   * The answers go on from the revision that this returns: everything before it has come out, and
   * what is there of that one is forgotten.
   */
  restart(): number {
    if (this.#pending !== undefined) this.#next = this.#pending.revision;
    this.#pending = undefined;
    return this.#next;
  }

  /** `MESH_STORE_COMPACTED` when the version before a change is gone already. */
  add(response: WatchResponse): WatchBatch[] {
    const batches: WatchBatch[] = [];
    for (const event of response.events) {
      const revision = safe(event.kv?.modRevision ?? 0);
      if (revision < this.#next) continue;
      if (this.#pending !== undefined && this.#pending.revision !== revision) this.#flush(batches);
      this.#pending ??= { revision, events: [] };
      this.#pending.events.push(this.#eventOf(event, revision));
    }
    if (!response.fragment) this.#flush(batches);
    if (response.events.length === 0 && !response.created && !response.canceled) {
      // Progress: nothing up to this revision is still to come.
      this.#next = Math.max(this.#next, safe(response.header?.revision ?? 0) + 1);
    }
    return batches;
  }

  #flush(batches: WatchBatch[]): void {
    if (this.#pending === undefined) return;
    batches.push(this.#pending);
    this.#next = this.#pending.revision + 1;
    this.#pending = undefined;
  }

  #eventOf({ type, kv, prevKv }: WireEvent, revision: number): StoreEvent {
    if (kv === null) throw compactedError(revision, revision);
    const previous: KeyValue | undefined = prevKv === null ? undefined : this.#keys.entryOf(prevKv);
    const hadOne = type === EVENT_DELETE || kv.version > 1;
    // Compaction overtook this reader between the change and the look at what was before it.
    if (hadOne && previous === undefined) throw compactedError(revision, revision);
    if (type !== EVENT_DELETE) return { type: "put", entry: this.#keys.entryOf(kv), previous };
    const key = this.#keys.decode(kv.key);
    return { type: "delete", key, modRevision: revision, previous };
  }
}
