/** Gives back what a node's home does not need: dead records of chunks, and old lines of logs. */
import { open, readdir, rm, stat, truncate } from "node:fs/promises";
import { join } from "node:path";
import { COMPACTION_STEPS_MAX, LOG_CUT_BYTES_MIN, LOG_KEPT_BYTES } from "./limits.js";

/** Compacts for as long as there is something to gain; returns the packs that went. */
export async function compactAll(
  chunks: { compactOnce(): Promise<{ removedPacks: number; more: boolean }> },
  signal: AbortSignal,
): Promise<number> {
  let packs = 0;
  for (let steps = 0; steps < COMPACTION_STEPS_MAX; steps++) {
    signal.throwIfAborted();
    const { removedPacks, more } = await chunks.compactOnce();
    packs += removedPacks;
    if (!more) break;
  }
  return packs;
}

/**
 * Cuts log files to their newest bytes, and removes those that were put aside by rotation. Writers
 * append, so a file that is cut while it is written goes on at its new end. Returns the bytes.
 */
export async function trimLogs(folder: string): Promise<number> {
  const names = await readdir(folder).catch(() => []);
  let freedBytes = 0;
  for (const name of names) {
    const path = join(folder, name);
    // One that rotation took away in this moment frees nothing.
    const { size } = await stat(path).catch(() => ({ size: 0 }));
    if (/\.log\.\d+$/.test(name)) {
      await rm(path, { force: true });
      freedBytes += size;
    } else if (name.endsWith(".log") && size > LOG_CUT_BYTES_MIN) {
      freedBytes += await keepNewest(path, size);
    }
  }
  return freedBytes;
}

async function keepNewest(path: string, size: number): Promise<number> {
  const file = await open(path, "r");
  const newest = Buffer.alloc(LOG_KEPT_BYTES);
  try {
    await file.read(newest, 0, LOG_KEPT_BYTES, size - LOG_KEPT_BYTES);
  } finally {
    await file.close();
  }
  await truncate(path, 0);
  const again = await open(path, "a");
  try {
    // From the first whole line on.
    await again.write(newest.subarray(newest.indexOf(10) + 1));
  } finally {
    await again.close();
  }
  return size - LOG_KEPT_BYTES;
}
