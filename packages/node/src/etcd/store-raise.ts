/** Raises a restored store above what was given out before: see `store-restore.ts`. */
import { RESTORED_KEY } from "@hearthmesh/collective";
import { put, raiseEpoch, type Store } from "@hearthmesh/store";
import { RESTORE_EPOCH_LEAP, RESTORE_WRITES_IN_FLIGHT_MAX } from "./limits.js";

/** How far the store had come that is replaced; 0 when it cannot be read any more. */
export interface StoreMark {
  revision: number;
}

/** The mark of the restore is what the revisions are raised with. */
export async function raiseAbove(store: Store, before: StoreMark): Promise<void> {
  const write = { success: [put(RESTORED_KEY, Buffer.from(String(before.revision)))] };
  let { revision } = await store.transact(write);
  while (revision <= before.revision) {
    const count = Math.min(RESTORE_WRITES_IN_FLIGHT_MAX, before.revision + 1 - revision);
    const written = await Promise.all(Array.from({ length: count }, () => store.transact(write)));
    revision = Math.max(...written.map((one) => one.revision));
  }
  // No leader between the snapshot and now has had so many successors.
  await raiseEpoch(store, RESTORE_EPOCH_LEAP);
}
