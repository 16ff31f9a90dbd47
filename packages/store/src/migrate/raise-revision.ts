/**
 * Raises a store's revision above that of another, so that numbers which people got from the old
 * one (fencing tokens of locks, ETags, places in a watch) are never given to something else by the
 * new one. A store counts a revision for each write, so it is written to that often.
 */
import { put } from "../operations.js";
import type { Store } from "../types.js";
import { MIGRATION_KEY } from "./entries.js";
import { MIGRATION_COMPACTION_REVISIONS, MIGRATION_WRITES_IN_FLIGHT_MAX } from "./limits.js";

export interface RaiseOptions {
  readonly signal?: AbortSignal | undefined;
  readonly onProgress: (done: number, total: number) => void;
}

/** Writes `MIGRATION_KEY` until the store's revision is at least `revision`. */
export async function raiseRevision(
  store: Store,
  revision: number,
  { signal, onProgress }: RaiseOptions,
): Promise<void> {
  const write = { success: [put(MIGRATION_KEY, new Uint8Array(0))] };
  const first = (await store.transact(write)).revision;
  let present = first;
  let compacted = first;
  while (present < revision) {
    signal?.throwIfAborted();
    const count = Math.min(MIGRATION_WRITES_IN_FLIGHT_MAX, revision - present);
    const writes = Array.from({ length: count }, () => store.transact(write));
    for (const written of await Promise.all(writes)) present = Math.max(present, written.revision);
    onProgress(Math.min(present, revision) - first, revision - first);
    if (present - compacted < MIGRATION_COMPACTION_REVISIONS) continue;
    await store.compact(present);
    compacted = present;
  }
}
