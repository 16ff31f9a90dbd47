/** Compares two stores key by key, in both directions at once. */
import { createHash, type Hash } from "node:crypto";
import { MeshError } from "@hearthmesh/core";
import { compareKeys } from "../keys.js";
import type { KeyValue, Store } from "../types.js";
import { bytesOf } from "./copy.js";
import { lastingEntries } from "./entries.js";

export interface Verified {
  readonly keys: number;
  /** Of keys and values. */
  readonly bytes: number;
  /**
   * SHA-256 in hexadecimal, over each entry in order: the length of the key in UTF-8 and of the
   * value, as 32-bit numbers, most significant byte first, then the key and the value.
   */
  readonly sha256: string;
}

export interface VerifyOptions {
  readonly signal?: AbortSignal | undefined;
  readonly onProgress: (done: number) => void;
}

/**
 * Both are read from their disks again, as they are now. Entries with a lease are left out: they
 * may end at any moment. `MESH_STORE_MISMATCH` names the first key that differs.
 */
export async function verifySame(
  from: Store,
  to: Store,
  { signal, onProgress }: VerifyOptions,
): Promise<Verified> {
  const right = lastingEntries(to, { signal });
  const hash = createHash("sha256");
  let keys = 0;
  let bytes = 0;
  try {
    for await (const entry of lastingEntries(from, { signal })) {
      const { value: copy } = await right.next();
      mustBeSame(entry, copy ?? undefined);
      addTo(hash, entry);
      keys++;
      bytes += bytesOf(entry);
      if (keys % 1000 === 0) onProgress(keys);
    }
    const { value: more } = await right.next();
    if (more !== undefined) throw mismatch(more.key, "is only in the target");
  } finally {
    await right.return();
  }
  onProgress(keys);
  return { keys, bytes, sha256: hash.digest("hex") };
}

function mustBeSame(entry: KeyValue, copy: KeyValue | undefined): void {
  const order = copy === undefined ? -1 : compareKeys(entry.key, copy.key);
  if (order < 0) throw mismatch(entry.key, "is only in the source");
  if (order > 0) throw mismatch(copy?.key ?? "", "is only in the target");
  if (copy === undefined || Buffer.compare(entry.value, copy.value) !== 0) {
    throw mismatch(entry.key, "has another value in the target");
  }
}

function mismatch(key: string, problem: string): MeshError {
  const shown = JSON.stringify(key.slice(0, 200));
  return new MeshError("MESH_STORE_MISMATCH", {
    message: `the copy is not the same as the source: ${shown} ${problem}`,
    details: { key },
  });
}

function addTo(hash: Hash, { key, value }: KeyValue): void {
  const name = Buffer.from(key, "utf8");
  const lengths = Buffer.alloc(8);
  lengths.writeUInt32BE(name.length, 0);
  lengths.writeUInt32BE(value.length, 4);
  hash.update(lengths).update(name).update(value);
}
