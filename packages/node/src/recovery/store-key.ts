/**
 * The store key: 32 bytes from which everything that leaves for friends is sealed. It is made once,
 * with the first start of a coordinator that has none, and lies beside the CA's key; the recovery
 * kit is its only other place.
 */
import { readIfThere, writePrivate } from "@hearthmesh/client/private-files";
import { newStoreKey, STORE_KEY_BYTES } from "@hearthmesh/collective";
import { MeshError, type Random } from "@hearthmesh/core";
import { type NodeFiles, readKey } from "../home.js";

/** The key of this home, made when there is none. `MESH_CONFIG_INVALID` when it is damaged. */
export async function ensureStoreKey(
  files: Pick<NodeFiles, "copiesKey">,
  random: Random,
): Promise<Uint8Array> {
  if ((await readIfThere(files.copiesKey)) === undefined) {
    await writeStoreKey(files, newStoreKey(random));
  }
  return readStoreKey(files);
}

/** `MESH_CONFIG_INVALID` when it is missing or damaged, `MESH_HOME_UNSAFE`. */
export async function readStoreKey(files: Pick<NodeFiles, "copiesKey">): Promise<Uint8Array> {
  const key = Buffer.from((await readKey(files.copiesKey)).trim(), "base64url");
  if (key.length === STORE_KEY_BYTES) return key;
  throw new MeshError("MESH_CONFIG_INVALID", {
    message: `${files.copiesKey} is damaged`,
    hint: "Put it back from the recovery kit or a backup: copies at friends open with it alone.",
  });
}

export async function writeStoreKey(
  { copiesKey }: Pick<NodeFiles, "copiesKey">,
  key: Uint8Array,
): Promise<void> {
  await writePrivate(copiesKey, `${Buffer.from(key).toString("base64url")}\n`);
}
