/** Follows what changes under `authority/`, by whichever coordinator, for those who keep copies. */
import { type Clock, errorFields, isMeshError, type Logger, sleep } from "@hearthmesh/core";
import type { Store, StoreEvent } from "@hearthmesh/store";
import { AUTHORITY_PREFIX } from "./authority-keys.js";

/** Before a watch that broke is made anew. */
const AGAIN_MS = 1_000;

export interface FollowOptions {
  readonly store: Store;
  readonly clock: Clock;
  readonly log: Logger;
  readonly signal: AbortSignal;
  readonly fromRevision: number;
  onEvent(event: StoreEvent): void;
  /** Reads everything anew, when too much was missed; answers the revision of what was read. */
  reload(): Promise<number>;
}

/** Resolves when `signal` is aborted or the store has closed; goes on after every failure. */
export async function followStore(options: FollowOptions): Promise<void> {
  const { store, clock, log, signal, onEvent, reload } = options;
  let next = options.fromRevision;
  while (!signal.aborted) {
    try {
      const watch = store.watch({ prefix: AUTHORITY_PREFIX }, { fromRevision: next, signal });
      for await (const batch of watch) {
        for (const event of batch.events) onEvent(event);
        next = batch.revision + 1;
      }
      return;
    } catch (error) {
      if (signal.aborted || isMeshError(error, "MESH_STORE_CLOSED")) return;
      try {
        if (!isMeshError(error, "MESH_STORE_COMPACTED")) throw error;
        next = (await reload()) + 1;
      } catch (failure) {
        // Also after a reload: the watch says once more that too much was missed.
        log.warn("changes by other coordinators are not seen; trying again", errorFields(failure));
        await sleep(clock, AGAIN_MS, signal).catch(() => undefined);
      }
    }
  }
}
