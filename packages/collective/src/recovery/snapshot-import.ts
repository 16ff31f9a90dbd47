/** A snapshot into a new, empty store. */
import { limits, MeshError } from "@hearthmesh/core";
import { type Operation, put, type Store } from "@hearthmesh/store";
import type { OpenSnapshot } from "./snapshot-format.js";
import { restoredRow } from "./snapshot-rows.js";

/** Keys and values of one transaction. */
const BATCH_BYTES_MAX = 1 << 20;

/**
 * Writes the rows in full transactions and answers how many there were. The store must be empty,
 * and is to be thrown away when this fails: half a member's records are worse than none.
 */
export async function importSnapshot(
  store: Store,
  snapshot: OpenSnapshot,
  onRow: (key: string, value: Uint8Array) => void = () => undefined,
): Promise<number> {
  const { keys } = await store.status();
  if (keys > 0) {
    throw new MeshError("MESH_CONFIG_INVALID", { message: "the store to restore into has rows" });
  }
  let operations: Operation[] = [];
  let bytes = 0;
  let count = 0;
  const flush = async () => {
    if (operations.length > 0) await store.transact({ success: operations });
    operations = [];
    bytes = 0;
  };
  for await (const row of snapshot.rows) {
    const restored = restoredRow(row);
    if (restored === undefined) continue;
    const { key, value } = restored;
    const added = Buffer.byteLength(key) + value.length;
    const isFull =
      operations.length >= limits.STORE_TXN_OPERATIONS_MAX || bytes + added > BATCH_BYTES_MAX;
    if (isFull) await flush();
    operations.push(put(key, value));
    onRow(key, value);
    bytes += added;
    count++;
  }
  await flush();
  return count;
}
