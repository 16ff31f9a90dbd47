/** Reads one record back and believes nothing that does not prove itself. */
import type { BufferFor } from "../types.js";
import { chunkIdOf } from "./blake3.js";
import type { Location } from "./chunk-index.js";
import type { PackFiles } from "./pack-files.js";
import { asBuffer, decodeRecordHead, type StoredHead } from "./pack-format.js";

export interface StoredRecord {
  readonly head: StoredHead;
  readonly payload: Uint8Array;
}

/**
 * The record with this id at this place, or undefined when what is there is anything else: a head
 * that fails its checksum, another chunk, or bytes that do not hash to the id. Throws what the disk
 * throws. With `bufferFor` the payload may be a view of the buffer that it gave for the record.
 */
export async function readRecord(
  files: PackFiles,
  id: Buffer,
  location: Location,
  salt: Buffer,
  bufferFor?: BufferFor,
): Promise<StoredRecord | undefined> {
  const bytes = await files.use(location.pack, (file) =>
    file.read(location.offset, location.recordBytes, bufferFor?.(location.recordBytes)),
  );
  const head = decodeRecordHead(bytes, salt);
  if (head === undefined || head.recordBytes !== bytes.length || !head.id.equals(id)) {
    return undefined;
  }
  const payload = asBuffer(bytes).subarray(head.headBytes);
  return chunkIdOf([payload]) === id.toString("hex") ? { head, payload } : undefined;
}
