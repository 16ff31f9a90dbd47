/** Whether the store takes a write and gives it back: the real path, for readiness. */
import { MeshError } from "@hearthmesh/core";
import type { Store } from "@hearthmesh/store";
import { put, remove } from "@hearthmesh/store/operations";

/** Each node has its own: another coordinator may try the same store at this moment. */
const keyOf = (nodeId: string) => `coordinator/probe/${nodeId}`;

/** Sets a key, reads it back and deletes it. Throws what the store throws. */
export async function probeStore(store: Store, nodeId: string): Promise<void> {
  const key = keyOf(nodeId);
  const value = Buffer.from("ready");
  await store.transact({ success: [put(key, value)] });
  const entry = await store.get(key);
  if (entry === undefined || Buffer.compare(entry.value, value) !== 0) {
    throw new MeshError("MESH_STORE_CORRUPT", { message: "a written key did not come back" });
  }
  await store.transact({ success: [remove(key)] });
}
