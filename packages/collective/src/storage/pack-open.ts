/** Brings the packs of a directory into memory when the store opens, and mends their ends. */
import { errorFields, isMeshError, type Logger } from "@hearthmesh/core";
import type { PackFiles } from "./pack-files.js";
import { RecordList } from "./pack-index-file.js";
import { loadPack, type PackContent } from "./pack-recovery.js";
import type { Pack, PackTable } from "./pack-table.js";

/** The pack that is being written, with the records that its index file will list. */
export interface ActivePack {
  readonly pack: Pack;
  readonly records: RecordList;
}

export interface OpenedPacks {
  /** The newest pack when there is room in it. */
  readonly active: ActivePack | undefined;
  readonly nextNumber: number;
}

export type LoadedPack = Extract<PackContent, { state: "loaded" }>;

/**
 * Loads every pack in the order of writing. A pack that the disk does not give is set aside: see
 * `pack-second-look.ts`. One whose header is damaged is left alone and logged. Throws
 * `MESH_STORE_NEWER`, and what the disk throws when the directory itself cannot be used.
 */
export async function openPacks(
  files: PackFiles,
  table: PackTable,
  log: Logger,
  packBytesMax: number,
): Promise<OpenedPacks> {
  await files.makeDurable();
  const numbers = await files.packNumbers();
  let active: ActivePack | undefined;
  for (const number of numbers) {
    const content = await loadOrSkip(files, number, log);
    if (content === undefined) table.setAside.add(number);
    if (content?.state === "empty") await files.remove(number);
    if (content?.state === "unreadable") logUnreadable(files, number, log);
    if (content?.state !== "loaded") continue;
    const isLast = number === numbers.at(-1);
    const sizeBytes = await settle(files, number, content, isLast, log);
    const pack = table.addPack(number, content.salt, sizeBytes);
    for (const entry of content.records) table.apply(pack, entry);
    // A damaged record is told from a good one by its place behind the last sync. A record that was
    // written behind it now would move that place, so a pack with a hole is not written again.
    const isWhole = content.damagedBytes === 0;
    if (isLast && isWhole && sizeBytes < packBytesMax) {
      active = { pack, records: content.records };
    }
  }
  return { active, nextNumber: (numbers.at(-1) ?? 0) + 1 };
}

export function logUnreadable(files: PackFiles, number: number, log: Logger): void {
  log.error("the header of a pack file is damaged; its chunks count as missing", {
    path: files.packPath(number),
  });
}

/** Undefined when the disk does not give it. */
async function loadOrSkip(
  files: PackFiles,
  number: number,
  log: Logger,
): Promise<PackContent | undefined> {
  try {
    return await loadPack(files, number);
  } catch (error) {
    if (!isMeshError(error, "MESH_DISK_FAILED")) throw error;
    log.warn("reading a pack file failed", {
      path: files.packPath(number),
      ...errorFields(error),
    });
    // The next try opens the file anew.
    await files.close(number);
    return undefined;
  }
}

/**
 * After this everything that was found is on disk for good: a crash of the process alone leaves
 * whole records in the system's cache that a later loss of power would still take away. Resolves to
 * the bytes of the pack that are in use. Only the last pack of a directory, to which nothing may be
 * added yet, is cut.
 */
export async function settle(
  files: PackFiles,
  number: number,
  content: LoadedPack,
  isLast: boolean,
  log: Logger,
): Promise<number> {
  if (content.indexed) return content.sizeBytes;
  if (content.damagedBytes > 0) {
    log.error("a pack file is damaged in the middle; what it held there counts as missing", {
      path: files.packPath(number),
      bytes: content.damagedBytes,
    });
  }
  const tornBytes = content.sizeBytes - content.endBytes;
  await files.use(number, async (file) => {
    if (isLast && tornBytes > 0) await file.truncate(content.endBytes);
    await file.sync();
  });
  if (isLast && tornBytes > 0) {
    log.warn("cut off the end of a pack file that a crash left half written", {
      path: files.packPath(number),
      bytes: tornBytes,
    });
  }
  const coveredBytes = isLast ? content.endBytes : content.sizeBytes;
  if (!isLast) {
    await writeIndexOrLog(
      files,
      number,
      { salt: content.salt, coveredBytes },
      content.records,
      log,
    );
  }
  return coveredBytes;
}

/**
 * An index file only saves time at the next start, so a failure to write one is no more than
 * logged.
 */
export async function writeIndexOrLog(
  files: PackFiles,
  number: number,
  facts: { readonly salt: Buffer; readonly coveredBytes: number },
  records: RecordList,
  log: Logger,
): Promise<void> {
  try {
    await files.writeIndex(number, { ...facts, records });
  } catch (error) {
    log.warn("could not write the index of a pack", {
      path: files.indexPath(number),
      ...errorFields(error),
    });
  }
}

export function emptyActive(pack: Pack): ActivePack {
  return { pack, records: new RecordList() };
}
