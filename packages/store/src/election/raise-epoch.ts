/** Raising the epoch outside an election: a coordinator that is alone, and a restored store. */
import { expectRevision, put } from "../operations.js";
import type { Store } from "../types.js";
import { ELECTION_EPOCH_KEY, encodeEpoch, epochAfter } from "./leader-record.js";

/**
 * The epoch after it was raised; undefined when somebody else was faster. `MESH_STORE_CORRUPT` when
 * what is kept is no number.
 */
export async function raiseEpoch(store: Store, by = 1): Promise<number | undefined> {
  const present = await store.get(ELECTION_EPOCH_KEY);
  const epoch = epochAfter(present) - 1 + by;
  const { succeeded } = await store.transact({
    compare: [expectRevision(ELECTION_EPOCH_KEY, present?.modRevision ?? 0)],
    success: [put(ELECTION_EPOCH_KEY, encodeEpoch(epoch))],
  });
  return succeeded ? epoch : undefined;
}
