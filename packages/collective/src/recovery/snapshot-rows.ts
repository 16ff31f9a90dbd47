/**
 * Which records a member needs when it starts anew elsewhere, and in which form. Everything is
 * taken but what belongs to the machines and the moment that are gone:
 *
 * | left out                | why                                                          |
 * |-------------------------|--------------------------------------------------------------|
 * | what lives with a lease | its holder is gone                                           |
 * | `q/`, `x/`              | the walk over all chunks finds again what they say           |
 * | `l/v/`, `l/staged`      | other layouts: nobody has chunks by them                     |
 * | `coordinator/leader`    | a leader of then                                             |
 * | `migration/`, `store/`  | marks of the store that it was                               |
 * | `recovery/hold`         | of the store that it was                                     |
 *
 * The layout comes back without nodes: those that register are placed again, and those that are
 * gone are not waited for. What a node said of itself stays, so that it is shown as gone.
 */
import { MeshError } from "@hearthmesh/core";
import { ELECTION_EPOCH_KEY, pagesOfStore, type Store } from "@hearthmesh/store";
import { keys } from "../coordinator/keys.js";
import { decodeJson, encodeJson } from "../coordinator/records.js";
import type { Layout } from "../types.js";
import type { SnapshotRow } from "./snapshot-format.js";

const LEFT_OUT = ["q/", "x/", "l/v/", "coordinator/leader", "migration/", "store/"] as const;
const LEFT_OUT_KEYS: ReadonlySet<string> = new Set(["recovery/hold", "l/staged"]);

export function belongsInSnapshot(key: string): boolean {
  return !LEFT_OUT_KEYS.has(key) && !LEFT_OUT.some((prefix) => key.startsWith(prefix));
}

/** All rows of a snapshot as of one revision. `MESH_STORE_COMPACTED` when it took too long. */
export async function* snapshotRows(
  store: Store,
  revision: number,
  signal?: AbortSignal,
): AsyncGenerator<SnapshotRow, void, undefined> {
  for await (const page of pagesOfStore(store, { revision, signal })) {
    for (const { key, value, leaseId } of page) {
      if (leaseId === 0 && belongsInSnapshot(key)) yield { key, value };
    }
  }
}

/** The row as a restored store has it; undefined when it has none. */
export function restoredRow({ key, value }: SnapshotRow): SnapshotRow | undefined {
  if (!belongsInSnapshot(key)) return undefined;
  if (key !== keys.layout) return { key, value };
  const layout = decodeJson<Layout>(value);
  const emptied: Layout = { ...layout, version: layout.version + 1, nodes: [] };
  return { key, value: encodeJson(emptied) };
}

/** The epoch that the store has; 0 when there was no leader yet. `MESH_STORE_CORRUPT`. */
export async function epochOf(store: Store): Promise<number> {
  const row = await store.get(ELECTION_EPOCH_KEY);
  if (row === undefined) return 0;
  const epoch = Number(Buffer.from(row.value).toString("latin1"));
  if (Number.isSafeInteger(epoch) && epoch >= 0) return epoch;
  throw new MeshError("MESH_STORE_CORRUPT", { message: "the epoch in the store is not a number" });
}
