/**
 * Finds out what a pack holds when the store opens: from its index file as far as that goes, then
 * by walking over the records behind. Where a record is damaged, the next whole one is searched,
 * so that one bad sector never hides the rest of a pack. Records that may not have been synced
 * before a crash are read and hashed: a record counts only when all of it is there.
 */
import type { DiskFile } from "@hearthmesh/core";
import { chunkIdOf } from "./blake3.js";
import type { PackFiles } from "./pack-files.js";
import {
  asBuffer,
  decodePackHeader,
  decodeRecordHead,
  headBytesAt,
  PACK_HEADER_BYTES,
  RECORD_HEAD_BYTES_MIN,
  RECORD_MAGIC,
  type StoredHead,
} from "./pack-format.js";
import { RecordList } from "./pack-index-file.js";

const WINDOW_BYTES = 256 * 1024;
/** Enough for a head: when payloads are skipped, reading ahead would read them after all. */
const SKIP_WINDOW_BYTES = 4096;

export type PackContent =
  | { readonly state: "empty" | "unreadable" }
  | {
      readonly state: "loaded";
      readonly salt: Buffer;
      readonly records: RecordList;
      readonly sizeBytes: number;
      /** Where the last whole record ends: what follows is a torn tail. */
      readonly endBytes: number;
      /** Bytes between whole records that are none. */
      readonly damagedBytes: number;
      /** The index file says all of this already. */
      readonly indexed: boolean;
    };

/** Reads nothing but this pack and changes nothing. Throws what the disk throws. */
export async function loadPack(files: PackFiles, number: number): Promise<PackContent> {
  let indexFailure: unknown;
  const index = await files.readIndex(number).catch((error: unknown) => {
    indexFailure = error;
    return undefined;
  });
  return await files.use(number, async (file) => {
    const sizeBytes = await file.sizeBytes();
    const salt = decodePackHeader(await file.read(0, PACK_HEADER_BYTES), number) ?? index?.salt;
    // A pack gets its first record after its header was synced, so this short one never had any.
    if (salt === undefined) {
      if (sizeBytes <= PACK_HEADER_BYTES) return { state: "empty" };
      // The salt may be in the index file, which may be readable another time.
      if (indexFailure !== undefined) throw indexFailure;
      return { state: "unreadable" };
    }
    const fits = index?.salt.equals(salt) === true && index.coveredBytes <= sizeBytes;
    const usable = fits ? index : undefined;
    const coveredBytes = usable?.coveredBytes ?? PACK_HEADER_BYTES;
    const records = new RecordList(usable?.records.bytes);
    const walk = await walkRecords(file, coveredBytes, sizeBytes, salt);
    const syncedBytes = walk.heads.reduce((most, { head }) => Math.max(most, head.syncedBytes), 0);
    let endBytes = coveredBytes;
    for (const { offset, head } of walk.heads) {
      const isSynced = offset + head.recordBytes <= syncedBytes;
      if (!isSynced && !(await payloadHolds(file, offset, head))) continue;
      records.add({ kind: head.kind, id: head.id, offset, recordBytes: head.recordBytes });
      endBytes = offset + head.recordBytes;
    }
    return {
      state: "loaded",
      salt,
      records,
      sizeBytes,
      endBytes,
      damagedBytes: endBytes - PACK_HEADER_BYTES - records.recordBytes,
      indexed: usable !== undefined && coveredBytes === sizeBytes,
    };
  });
}

interface FoundHead {
  readonly offset: number;
  readonly head: StoredHead;
}

/** Every record head from `from` on whose checksum holds and whose payload fits in the file. */
async function walkRecords(
  file: DiskFile,
  from: number,
  sizeBytes: number,
  salt: Buffer,
): Promise<{ heads: FoundHead[] }> {
  const window = new FileWindow(file, sizeBytes);
  const heads: FoundHead[] = [];
  let position = from;
  while (position + RECORD_HEAD_BYTES_MIN <= sizeBytes) {
    const head = await readHead(window, position, salt);
    if (head !== undefined && position + head.recordBytes <= sizeBytes) {
      heads.push({ offset: position, head });
      position += head.recordBytes;
    } else {
      position = await nextMagic(window, position + 1, sizeBytes);
    }
  }
  return { heads };
}

async function readHead(
  window: FileWindow,
  position: number,
  salt: Buffer,
): Promise<StoredHead | undefined> {
  const headBytes = headBytesAt(await window.bytes(position, RECORD_HEAD_BYTES_MIN));
  if (headBytes === undefined) return undefined;
  return decodeRecordHead(await window.bytes(position, headBytes), salt);
}

async function nextMagic(window: FileWindow, from: number, sizeBytes: number): Promise<number> {
  let position = from;
  while (position + RECORD_HEAD_BYTES_MIN <= sizeBytes) {
    const bytes = await window.bytes(position, WINDOW_BYTES);
    const found = bytes.indexOf(RECORD_MAGIC);
    if (found >= 0) return position + found;
    if (bytes.length < RECORD_MAGIC.length) break;
    position += bytes.length - RECORD_MAGIC.length + 1;
  }
  return sizeBytes;
}

async function payloadHolds(file: DiskFile, offset: number, head: StoredHead): Promise<boolean> {
  if (head.kind === "tombstone") return true;
  const payload = await file.read(offset + head.headBytes, head.payloadBytes);
  return chunkIdOf([payload]) === head.id.toString("hex");
}

/** Reads a file in large steps for a reader that goes forward in small ones. */
class FileWindow {
  readonly #file: DiskFile;
  readonly #sizeBytes: number;
  #start = 0;
  #bytes: Buffer = Buffer.alloc(0);

  constructor(file: DiskFile, sizeBytes: number) {
    this.#file = file;
    this.#sizeBytes = sizeBytes;
  }

  /** Up to `length` bytes from `position`; fewer at the end of the file. */
  async bytes(position: number, length: number): Promise<Buffer> {
    const end = Math.min(position + length, this.#sizeBytes);
    if (position < this.#start || end > this.#start + this.#bytes.length) {
      const isForward = position <= this.#start + this.#bytes.length;
      const ahead = isForward ? WINDOW_BYTES : SKIP_WINDOW_BYTES;
      const wanted = Math.max(end - position, Math.min(ahead, this.#sizeBytes - position));
      this.#bytes = asBuffer(await this.#file.read(position, wanted));
      this.#start = position;
    }
    return this.#bytes.subarray(position - this.#start, end - this.#start);
  }
}
