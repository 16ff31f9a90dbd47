/**
 * What a pack holds, as a list in memory and as a file beside the pack. The file is a cache: it
 * says what the first `coveredBytes` of the pack hold, all of which was synced before the file was
 * written. A missing, damaged or short one only makes the next start read more of the pack.
 *
 *     "HMPIDX\0" | version u8 | pack u32 | salt 8 | covered bytes u32 | entries u32 | CRC-32 u32
 *     then for each record: id 32 | offset u32 | record bytes u32 | kind u32
 */
import { crc32 } from "node:zlib";
import {
  asBuffer,
  CHUNK_ID_BYTES,
  kindCode,
  kindOf,
  type RecordKind,
  SALT_BYTES,
} from "./pack-format.js";

const MAGIC = Buffer.from("HMPIDX\0\x01", "latin1");
const HEAD_BYTES = 32;
const ENTRY_BYTES = 44;

/** One record of a pack. The id is a view that holds until the list grows. */
export interface RecordEntry {
  readonly kind: RecordKind;
  readonly id: Buffer;
  readonly offset: number;
  readonly recordBytes: number;
}

/** The records of one pack in the order of the file, 44 bytes each. */
export class RecordList {
  #bytes: Buffer;
  #count: number;

  constructor(entries: Buffer = Buffer.alloc(0)) {
    this.#bytes = entries;
    this.#count = Math.floor(entries.length / ENTRY_BYTES);
  }

  get count(): number {
    return this.#count;
  }

  /** All entries as they stand in an index file. */
  get bytes(): Buffer {
    return this.#bytes.subarray(0, this.#count * ENTRY_BYTES);
  }

  /** Bytes of all records together. */
  get recordBytes(): number {
    let sum = 0;
    for (let start = 36; start < this.#count * ENTRY_BYTES; start += ENTRY_BYTES) {
      sum += this.#bytes.readUInt32BE(start);
    }
    return sum;
  }

  add(entry: RecordEntry): void {
    const start = this.#count * ENTRY_BYTES;
    if (start + ENTRY_BYTES > this.#bytes.length) {
      const grown = Buffer.allocUnsafeSlow(Math.max(64, this.#count * 2) * ENTRY_BYTES);
      this.#bytes.copy(grown, 0, 0, start);
      this.#bytes = grown;
    }
    entry.id.copy(this.#bytes, start, 0, CHUNK_ID_BYTES);
    this.#bytes.writeUInt32BE(entry.offset, start + 32);
    this.#bytes.writeUInt32BE(entry.recordBytes, start + 36);
    this.#bytes.writeUInt32BE(kindCode(entry.kind), start + 40);
    this.#count++;
  }

  at(position: number): RecordEntry | undefined {
    if (position < 0 || position >= this.#count) return undefined;
    const start = position * ENTRY_BYTES;
    return {
      kind: kindOf(this.#bytes.readUInt32BE(start + 40)) ?? "chunk",
      id: this.#bytes.subarray(start, start + CHUNK_ID_BYTES),
      offset: this.#bytes.readUInt32BE(start + 32),
      recordBytes: this.#bytes.readUInt32BE(start + 36),
    };
  }

  *[Symbol.iterator](): Generator<RecordEntry> {
    for (let position = 0; position < this.#count; position++) {
      yield this.at(position) as RecordEntry;
    }
  }
}

export interface PackIndex {
  readonly salt: Buffer;
  /** The records are those of the pack's first so many bytes. */
  readonly coveredBytes: number;
  readonly records: RecordList;
}

export function encodePackIndex(number: number, index: PackIndex): Buffer[] {
  const head = Buffer.alloc(HEAD_BYTES);
  MAGIC.copy(head, 0);
  head.writeUInt32BE(number, 8);
  head.set(index.salt, 12);
  head.writeUInt32BE(index.coveredBytes, 20);
  head.writeUInt32BE(index.records.count, 24);
  const entries = index.records.bytes;
  head.writeUInt32BE(crc32(entries, crc32(head.subarray(0, 28))), 28);
  return [head, entries];
}

/** Undefined when the file is damaged or of another version or pack. */
export function decodePackIndex(file: Uint8Array, number: number): PackIndex | undefined {
  const bytes = asBuffer(file);
  if (bytes.length < HEAD_BYTES || !bytes.subarray(0, 8).equals(MAGIC)) return undefined;
  const entries = bytes.subarray(HEAD_BYTES);
  if (bytes.readUInt32BE(28) !== crc32(entries, crc32(bytes.subarray(0, 28)))) return undefined;
  if (bytes.readUInt32BE(8) !== number) return undefined;
  if (bytes.readUInt32BE(24) * ENTRY_BYTES !== entries.length) return undefined;
  return {
    salt: Buffer.from(bytes.subarray(12, 12 + SALT_BYTES)),
    coveredBytes: bytes.readUInt32BE(20),
    records: new RecordList(entries),
  };
}
