/** Whether the store takes a write and gives it back: the real path, for readiness. */
import { MeshError } from "@hearthmesh/core";
import { put, type Store } from "@hearthmesh/store";

const KEY = "coordinator/probe";

export async function probeStore(store: Store): Promise<void> {
  const value = Buffer.from("ready");
  await store.transact({ success: [put(KEY, value)] });
  const entry = await store.get(KEY);
  if (entry !== undefined && Buffer.compare(entry.value, value) === 0) return;
  throw new MeshError("MESH_STORE_CORRUPT", { message: "a written key did not come back" });
}
