/** Follows what changes under `authority/`, by whichever coordinator, for those who keep copies. */
import { errorFields, isMeshError, type Logger } from "@hearthmesh/core";
import type { Store, StoreEvent } from "@hearthmesh/store";
import { AUTHORITY_PREFIX } from "./authority-keys.js";

export interface FollowOptions {
  readonly store: Store;
  readonly log: Logger;
  readonly signal: AbortSignal;
  readonly fromRevision: number;
  onEvent(event: StoreEvent): void;
  /** Reads everything anew, when too much was missed; answers the revision of what was read. */
  reload(): Promise<number>;
}

/** Resolves when `signal` is aborted or the store has closed; a failure is logged and ends it. */
export async function followStore(options: FollowOptions): Promise<void> {
  const { store, log, signal, onEvent, reload } = options;
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
      if (!isMeshError(error, "MESH_STORE_COMPACTED")) {
        log.error("changes by other coordinators are not seen", errorFields(error));
        return;
      }
      next = (await reload()) + 1;
    }
  }
}
